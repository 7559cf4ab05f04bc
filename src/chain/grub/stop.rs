//! Why a boot cannot be followed further.

use crate::error::one_line;

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    why: String,
    /// The file and the line.
    place: Option<String>,
}

/// What a step leads to.
pub(super) type Run<T> = Result<T, Stop>;

impl Stop {
    /// The reason without a place.
    pub(super) fn new(why: impl AsRef<str>) -> Self {
        Self { why: one_line(&why.as_ref()), place: None }
    }

    /// The same at this place, if it has none yet: the innermost one counts.
    pub(super) fn at(mut self, file: &str, line: u32) -> Self {
        self.place.get_or_insert_with(|| format!("{}:{line}", one_line(&file)));
        self
    }

    /// For a person: `boot/grub/grub.cfg:12: ...`.
    pub(super) fn text(&self) -> String {
        self.place.as_ref().map_or_else(|| self.why.clone(), |place| format!("{place}: {}", self.why))
    }
}
