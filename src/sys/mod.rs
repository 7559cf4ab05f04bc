//! The operating system where no crate has the call: ioctls on block and loop devices, and the environment.
//! The only file with `unsafe` in it.
#![allow(unsafe_code)]

pub mod modules;
pub mod mounts;
pub mod random;

use std::ffi::CString;
use std::fs::{File, OpenOptions};
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

/// Numbers from include/uapi/linux/loop.h and include/uapi/linux/fs.h.
#[allow(missing_docs)]
mod request {
    nix::ioctl_none_bad!(loop_ctl_get_free, 0x4c82);
    nix::ioctl_write_ptr_bad!(loop_configure, 0x4c0a, super::LoopConfig);
    nix::ioctl_write_ptr_bad!(blkroset, nix::request_code_none!(0x12, 93), nix::libc::c_int);
    nix::ioctl_read_bad!(blksszget, nix::request_code_none!(0x12, 104), nix::libc::c_int);
    // _IOWR(DM_IOCTL, number, struct dm_ioctl)
    nix::ioctl_readwrite_bad!(dm_dev_create, nix::request_code_readwrite!(0xfd, 3, super::DM_HEADER), u8);
    nix::ioctl_readwrite_bad!(dm_dev_suspend, nix::request_code_readwrite!(0xfd, 6, super::DM_HEADER), u8);
    nix::ioctl_readwrite_bad!(dm_table_load, nix::request_code_readwrite!(0xfd, 9, super::DM_HEADER), u8);
}

/// Bytes of a loop device's sectors. Newer kernels would otherwise take those of the medium below it, and a file system
/// with smaller blocks could not be mounted.
pub const LOOP_SECTOR: u16 = 512;

/// Other programs may take the free number before us; more often than this nobody does.
const LOOP_TRIES: usize = 16;

/// Makes a read-only loop device of the first `length` bytes of an open file, so that no path is followed a second time.
/// It goes away by itself when its last user does.
///
/// # Errors
/// When the kernel has no loop driver, or refuses.
pub fn loop_device(file: &File, length: u64) -> Result<(PathBuf, File)> {
    let control = Path::new("/dev/loop-control");
    let control_file = File::open(control)
        .about_hint(control.display(), "is CONFIG_BLK_DEV_LOOP set, or the loop module in the initramfs?")?;
    let fd = u32::try_from(file.as_raw_fd()).about("image descriptor")?;
    // O_DIRECT keeps the medium's pages out of memory, where its file system knows it.
    let mut flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    for _ in 0..LOOP_TRIES {
        // SAFETY: the ioctl takes no argument and returns a number.
        let number = unsafe { request::loop_ctl_get_free(control_file.as_raw_fd()) }.about(control.display())?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&path).about(path.display())?;
        let config = loop_config(fd, flags, length);
        // SAFETY: `config` has the layout of struct loop_config and lives until the call returns.
        match unsafe { request::loop_configure(device.as_raw_fd(), &raw const config) } {
            Ok(_) => return Ok((path, device)),
            Err(Errno::EBUSY) => {}
            Err(Errno::EINVAL) if flags & LO_FLAGS_DIRECT_IO != 0 => flags &= !LO_FLAGS_DIRECT_IO,
            Err(error) => return Err(error).about_hint(path.display(), "LOOP_CONFIGURE needs Linux 5.8 or later"),
        }
    }
    Err(Error::new("loop device", format!("none stayed free in {LOOP_TRIES} tries"))
        .hint("who else makes loop devices?"))
}

fn loop_config(fd: u32, flags: u32, sizelimit: u64) -> LoopConfig {
    let info = LoopInfo64 {
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
    };
    LoopConfig { fd, block_size: LOOP_SECTOR.into(), info, reserved: [0; 8] }
}

/// A command of device-mapper (kernel, include/uapi/linux/dm-ioctl.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmCommand {
    /// DM_DEV_CREATE.
    DeviceCreate,
    /// DM_DEV_SUSPEND; without its flag it resumes.
    DeviceSuspend,
    /// DM_TABLE_LOAD.
    TableLoad,
}

/// Bytes of struct dm_ioctl.
pub const DM_HEADER: usize = 312;

/// Has device-mapper carry out a command. `buffer` is a struct dm_ioctl with whatever follows it; its sizes are set here,
/// so that the kernel stays within it.
///
/// # Errors
/// EINVAL for a buffer that is too short, and those of the command.
pub fn dm_ioctl(control: &File, command: DmCommand, buffer: &mut [u8]) -> nix::Result<()> {
    const DATA_SIZE: usize = 12;
    const DATA_START: usize = 16;
    let size = u32::try_from(buffer.len()).map_err(|_| Errno::EINVAL)?;
    if buffer.len() < DM_HEADER {
        return Err(Errno::EINVAL);
    }
    buffer[DATA_SIZE..DATA_SIZE + 4].copy_from_slice(&size.to_ne_bytes());
    buffer[DATA_START..DATA_START + 4].copy_from_slice(&312u32.to_ne_bytes());
    let (fd, data) = (control.as_raw_fd(), buffer.as_mut_ptr());
    // SAFETY: the kernel reads and writes at most `data_size` bytes, which is the buffer's length.
    unsafe {
        match command {
            DmCommand::DeviceCreate => request::dm_dev_create(fd, data),
            DmCommand::DeviceSuspend => request::dm_dev_suspend(fd, data),
            DmCommand::TableLoad => request::dm_table_load(fd, data),
        }
    }
    .map(drop)
}

/// Tells the kernel to refuse every write to a block device.
///
/// # Errors
/// When the kernel refuses.
pub fn set_read_only(device: &File, name: &str) -> Result<()> {
    let on = 1;
    // SAFETY: BLKROSET reads one int, which lives until the call returns.
    unsafe { request::blkroset(device.as_raw_fd(), &raw const on) }.map(drop).about(name)
}

/// Bytes of a block device's sectors, the smallest unit it reads: its logical block size.
///
/// # Errors
/// When it is no block device.
pub fn sector_size(device: &File, name: &str) -> Result<u32> {
    let mut bytes = 0;
    // SAFETY: BLKSSZGET writes one int, which lives until the call returns.
    unsafe { request::blksszget(device.as_raw_fd(), &raw mut bytes) }.about(name)?;
    u32::try_from(bytes).about(name)
}

/// Takes the environment away from this process and gives it to the caller. The kernel puts unknown parameters of the
/// command line there, and libraries read it (tpm2-tss its log file, for one).
#[must_use]
pub fn take_environment() -> Vec<CString> {
    use std::os::unix::ffi::OsStrExt;
    let variables = std::env::vars_os()
        .filter_map(|(key, value)| {
            let mut bytes = key.as_bytes().to_vec();
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            CString::new(bytes).ok()
        })
        .collect();
    // SAFETY: called first thing in main, when there is no other thread that could be reading the environment. When it
    // fails there is nothing better to do than to go on with what libraries make of it.
    if unsafe { nix::env::clearenv() }.is_err() {
        log::warn!("environment: cannot be cleared");
    }
    variables
}

/// Opens a device read-only without waiting for a medium to come into it.
///
/// # Errors
/// Those of open(2).
pub fn open_device(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}
