//! The table of the findings: each theme has its part, which `docs/doctor.md` is made of.

use super::level::Level;
use super::{after_boot, command_line, firmware, general, image, kernel, memory, tpm};
use crate::error::{Error, Result};

/// What is always the same about a finding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The stable identifier, which is also the anchor in `docs/doctor.md`.
    pub(super) id: &'static str,
    /// How bad it is.
    pub(super) level: Level,
    /// Why it matters, for the page.
    pub(super) why: &'static str,
    /// What to do, in one line; empty if nothing has to be done.
    pub(super) advice: &'static str,
}

impl Entry {
    /// The page with the anchor of this entry.
    pub(super) fn page(&self) -> String {
        format!("docs/doctor.md#{}", self.id)
    }
}

/// Every finding, by theme, in the order of the page.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    let themes: [&'static [&'static Entry]; 8] = [
        tpm::ENTRIES,
        firmware::ENTRIES,
        kernel::ENTRIES,
        image::ENTRIES,
        memory::ENTRIES,
        command_line::ENTRIES,
        after_boot::ENTRIES,
        general::ENTRIES,
    ];
    themes.into_iter().flatten().copied()
}

/// The finding with this identifier.
///
/// # Errors
/// If the table has none.
pub(super) fn of_id(id: &str) -> Result<&'static Entry> {
    all().find(|entry| entry.id == id).ok_or_else(|| Error::new(id, "no finding has this identifier"))
}

/// The entries of a theme. Each becomes a static, and all of them `ENTRIES`: none can be used that the table lacks.
macro_rules! entries {
    ($($name:ident = $id:literal, $level:ident, $why:literal, $advice:literal;)+) => {
        $(static $name: $crate::cli::doctor::entry::Entry = $crate::cli::doctor::entry::Entry {
            id: $id,
            level: $crate::cli::doctor::level::Level::$level,
            why: $why,
            advice: $advice,
        };)+
        /// The part of this theme in the table of the findings.
        pub(super) static ENTRIES: &[&$crate::cli::doctor::entry::Entry] = &[$(&$name),+];
    };
}
pub(super) use entries;
