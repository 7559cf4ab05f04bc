//! The ioctls of device-mapper.
#![allow(unsafe_code)] // No crate has these ioctls without libdevmapper.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

/// `_IOWR(DM_IOCTL, number, struct dm_ioctl)` (kernel, include/uapi/linux/dm-ioctl.h).
#[allow(missing_docs)]
mod request {
    nix::ioctl_readwrite_bad!(dm_dev_create, nix::request_code_readwrite!(0xfd, 3, super::DM_HEADER), u8);
    nix::ioctl_readwrite_bad!(dm_dev_suspend, nix::request_code_readwrite!(0xfd, 6, super::DM_HEADER), u8);
    nix::ioctl_readwrite_bad!(dm_table_load, nix::request_code_readwrite!(0xfd, 9, super::DM_HEADER), u8);
}

/// A command of device-mapper (kernel, include/uapi/linux/dm-ioctl.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DmCommand {
    /// DM_DEV_CREATE.
    DeviceCreate,
    /// DM_DEV_SUSPEND; without DM_SUSPEND_FLAG it resumes the device.
    DeviceSuspend,
    /// DM_TABLE_LOAD.
    TableLoad,
}

/// Bytes of struct dm_ioctl.
pub(crate) const DM_HEADER: usize = 312;

/// Lets device-mapper carry out a command. `buffer` is a struct dm_ioctl and the data behind it. This function sets the
/// sizes in it, so that the kernel stays within the buffer.
///
/// # Errors
/// EINVAL for a buffer that is too short, and the errors of the command.
pub(crate) fn dm_ioctl(control: &File, command: DmCommand, buffer: &mut [u8]) -> nix::Result<()> {
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
