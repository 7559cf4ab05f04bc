//! Files in memory that nothing can change after the measurement.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::{FsType, fstatfs};

use crate::error::{Context, Result};
use crate::say;
use crate::sys::ramfs;

/// Creates a memory file (memfd_create(2)).
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

/// What errors call the copy.
pub(super) const COPY: &str = "copy of the image";

/// Creates the file for the copy of the image. If the booted system swaps, a page of a memory file goes to a disk, and that disk
/// can give back other bytes. Nothing would notice: unlike the tree, the copy is not checked when it is read.
///
/// # Errors
/// When the kernel cannot create one.
pub(super) fn create_copy() -> Result<File> {
    match ramfs::file() {
        // Only unit tests lack the right to mount: PID 1 has it.
        Err(Errno::EPERM) => {
            say::warn!("{COPY}: it can be swapped out, because this process may not mount a ramfs");
            create("image")
        }
        file => file.about(COPY),
    }
}

/// Seals the copy. No path leads to a file on its own ramfs, so nothing can open it anew: it is enough that the last descriptor
/// that can write is closed here.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn seal_copy(file: File) -> Result<File> {
    if fstatfs(&file).about(COPY)?.filesystem_type() != FsType(RAMFS_MAGIC.into()) {
        return seal(file, COPY);
    }
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).about(COPY)
}

/// `RAMFS_MAGIC` (kernel, include/uapi/linux/magic.h), which nix does not name.
const RAMFS_MAGIC: u32 = 0x8584_58f6;
