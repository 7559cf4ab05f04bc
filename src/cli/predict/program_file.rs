//! The files that firmware, a boot loader or tboot starts or hands over.

use std::ffi::OsStr;
use std::path::Path;

use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::Result;

/// Reads such a file.
pub(super) fn program(path: &Path) -> Result<Vec<u8>> {
    read_limited::read(path, read_limited::PROGRAM, Kinds::File)
}

/// The name of a file without its folder: the events are the same wherever it lies.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(AsRef::<OsStr>::as_ref(path)).display().to_string()
}
