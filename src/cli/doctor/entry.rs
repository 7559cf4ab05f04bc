//! What is always the same about a finding. Each theme declares its entries.

use super::level::Level;

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
