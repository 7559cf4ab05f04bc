//! Loop devices: they make a block device of a file.
#![allow(unsafe_code)] // No crate has LOOP_CONFIGURE.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::{Context, Error, Result};

/// kernel, include/uapi/linux/loop.h: struct loop_info64.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// kernel, include/uapi/linux/loop.h: struct loop_config.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// Numbers from the kernel's include/uapi/linux/loop.h.
#[allow(missing_docs)]
mod request {
    nix::ioctl_none_bad!(loop_ctl_get_free, 0x4c82);
    nix::ioctl_write_ptr_bad!(loop_configure, 0x4c0a, super::LoopConfig);
}

/// Bytes of a loop device's sectors. Without this, newer kernels would take the sector size of the medium, and a file
/// system with smaller blocks could not be mounted.
pub(crate) const SECTOR: u16 = 512;

/// How often to try: another program may take the free number first. More tries than this are never needed.
const TRIES: usize = 16;

/// Makes a read-only loop device of the first `length` bytes of a file. The file is already open, so no path is
/// followed a second time. The kernel removes the device when it is not used any more.
///
/// # Errors
/// When the kernel has no loop driver, or refuses to set up the device.
pub(crate) fn create(file: &File, length: u64) -> Result<(PathBuf, File)> {
    let control = Path::new("/dev/loop-control");
    let control_file = File::open(control)
        .about_hint(control.display(), "is CONFIG_BLK_DEV_LOOP set, or the loop module in the initramfs?")?;
    let fd = u32::try_from(file.as_raw_fd()).about("image descriptor")?;
    // If the medium's file system has O_DIRECT, it keeps the medium's pages out of memory.
    let mut flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    for _ in 0..TRIES {
        // SAFETY: the ioctl takes no argument and returns a number.
        let number = unsafe { request::loop_ctl_get_free(control_file.as_raw_fd()) }.about(control.display())?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&path).about(path.display())?;
        let info = loop_info(flags, length);
        let config = LoopConfig { fd, block_size: SECTOR.into(), info, reserved: [0; 8] };
        // SAFETY: `config` has the layout of struct loop_config and lives until the call returns.
        match unsafe { request::loop_configure(device.as_raw_fd(), &raw const config) } {
            Ok(_) => return Ok((path, device)),
            Err(Errno::EBUSY) => {}
            Err(Errno::EINVAL) if flags & LO_FLAGS_DIRECT_IO != 0 => flags &= !LO_FLAGS_DIRECT_IO,
            Err(error) => return Err(error).about_hint(path.display(), "LOOP_CONFIGURE needs Linux 5.8 or later"),
        }
    }
    Err(Error::new("loop device", format_args!("was taken by another program in each of {TRIES} tries"))
        .hint("does another program make loop devices?"))
}

fn loop_info(flags: u32, sizelimit: u64) -> LoopInfo64 {
    LoopInfo64 {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        sizelimit,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    }
}
