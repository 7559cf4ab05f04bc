//! A file whose memory is never swapped out.
#![allow(unsafe_code)] // nix has none of these calls.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;

/// `FSCONFIG_CMD_CREATE`, `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC` (kernel, include/uapi/linux/mount.h).
const CMD_CREATE: libc::c_uint = 6;
const CLOEXEC: libc::c_uint = 1;

/// An empty file on a ramfs that has no place in any tree of mounts, so that no path leads to it. The kernel never swaps out the
/// pages of a ramfs (Documentation/filesystems/ramfs-rootfs-initramfs.rst), unlike those of a tmpfs or of a memfd.
///
/// # Errors
/// EPERM without the right to mount; ENOSYS before Linux 5.2.
pub(crate) fn file() -> nix::Result<File> {
    let filesystem = open_filesystem(c"ramfs")?;
    create(&filesystem)?;
    let mount = mount(&filesystem)?;
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    // The mount ends with its last descriptor. The file keeps the file system.
    openat(&mount, c"copy", flags, Mode::S_IRUSR).map(File::from)
}

/// fsopen(2).
fn open_filesystem(name: &CStr) -> nix::Result<OwnedFd> {
    // SAFETY: the kernel reads `name` up to its NUL.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), CLOEXEC) })
}

/// fsconfig(2).
fn create(filesystem: &OwnedFd) -> nix::Result<()> {
    let none = ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key, no value and no number.
    let done = unsafe { libc::syscall(libc::SYS_fsconfig, filesystem.as_raw_fd(), CMD_CREATE, none, none, 0) };
    Errno::result(done).map(drop)
}

/// fsmount(2), without attributes of the mount.
fn mount(filesystem: &OwnedFd) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes three numbers.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, filesystem.as_raw_fd(), CLOEXEC, 0) })
}

fn owned(returned: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(returned)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
