//! Block devices: opening them, their sizes, and making them read-only.
#![allow(unsafe_code)] // No crate has BLKROSET and BLKSSZGET.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::error::{Context, Result};

/// Numbers from the kernel's include/uapi/linux/fs.h.
#[allow(missing_docs)]
mod request {
    nix::ioctl_write_ptr_bad!(blkroset, nix::request_code_none!(0x12, 93), nix::libc::c_int);
    nix::ioctl_read_bad!(blkroget, nix::request_code_none!(0x12, 94), nix::libc::c_int);
    nix::ioctl_read_bad!(blksszget, nix::request_code_none!(0x12, 104), nix::libc::c_int);
}

/// Opens a device read-only. It does not wait for a medium.
///
/// # Errors
/// The errors of open(2).
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Opens an open device once more, and claims it: as long as the result is open, no program can mount the device or claim it
/// too, as if it were mounted itself (kernel, block/bdev.c: bd_prepare_to_claim). No name is followed a second time.
///
/// # Errors
/// When the device is in use.
pub(crate) fn claim(device: &File, name: &str) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_EXCL | nix::fcntl::OFlag::O_CLOEXEC;
    let opened = format!("/proc/self/fd/{}", device.as_raw_fd());
    let claimed = OpenOptions::new().read(true).custom_flags(flags.bits()).open(opened);
    claimed.about_hint(name, "is it, or a part of it, mounted or in use already?")
}

/// The size of an open file or block device in bytes; `None` if its end cannot be sought.
#[must_use]
pub(crate) fn size(mut file: &File) -> Option<u64> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::End(0)).ok()
}

/// Tells the kernel to refuse every write to a block device.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn set_read_only(device: &File, name: &str) -> Result<()> {
    let on = 1;
    // SAFETY: BLKROSET reads one int, which lives until the call returns.
    unsafe { request::blkroset(device.as_raw_fd(), &raw const on) }.map(drop).about(name)
}

/// Whether the kernel refuses to write to a block device, because the device is write-protected or was set so.
///
/// # Errors
/// When the file is no block device.
pub(crate) fn is_read_only(device: &File, name: &str) -> Result<bool> {
    let mut on = 0;
    // SAFETY: BLKROGET writes one int, which lives until the call returns.
    unsafe { request::blkroget(device.as_raw_fd(), &raw mut on) }.about(name)?;
    Ok(on != 0)
}

/// The logical block size of a block device in bytes: the smallest unit that it reads.
///
/// # Errors
/// When the file is no block device.
pub(crate) fn sector_size(device: &File, name: &str) -> Result<u32> {
    let mut bytes = 0;
    // SAFETY: BLKSSZGET writes one int, which lives until the call returns.
    unsafe { request::blksszget(device.as_raw_fd(), &raw mut bytes) }.about(name)?;
    u32::try_from(bytes).about(name)
}
