//! The table of the findings: the parts of all themes, which `docs/doctor.md` is made of.

use super::entry::Entry;
use super::{after_boot, command_line, firmware, general, image, kernel, memory, tpm};
use crate::error::{Error, Result};

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
