//! Files in memory that can be sealed (memfd_create(2)): nothing can change their bytes after that.

use std::fs::File;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::error::{Context, Result};

/// Creates a memory file.
///
/// # Errors
/// When the kernel cannot create one.
pub(crate) fn create(name: &str) -> Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(name, flags).map(File::from).about_hint("memory file", "is CONFIG_MEMFD_CREATE set?")
}

/// Seals the file: from here on no process can write to it or change its length, through any descriptor or path.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn seal(file: File, name: &str) -> Result<File> {
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).about(name)?;
    Ok(file)
}
