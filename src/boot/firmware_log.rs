//! The event log of the firmware and the boot loader, as the kernel keeps it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Error, Result};
use crate::sys::mounts::{self, Mount};

/// The usual mount point of securityfs. If the kernel has securityfs, this folder exists (security/inode.c).
const USUAL: &str = "/sys/kernel/security";
/// The mount point that this program uses, so that the booted root is not disturbed.
const MOUNTED: &str = "/measureroot/security";
/// The log of the first TPM (kernel, drivers/char/tpm/eventlog/common.c).
const LOG: &str = "/measureroot/security/tpm0/binary_bios_measurements";

/// The firmware's log of a confidential machine (Linux 6.2, drivers/acpi/sysfs.c, `acpi_ccel_data_init`).
const CCEL: &str = "/sys/firmware/acpi/tables/data/CCEL";

/// Opens the log of a confidential machine's RTMRs; `None` if the firmware's tables name none.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_ccel() -> Result<Option<File>> {
    open_log(CCEL)
}

/// Opens the log; `None` if the kernel has none, because the firmware does not measure.
///
/// # Errors
/// When securityfs cannot be mounted, or the log cannot be opened.
pub(super) fn open() -> Result<Option<File>> {
    if !Path::new(USUAL).is_dir() {
        return Ok(None);
    }
    // Not read-only: there is only one securityfs, and the booted root would find it read-only.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mount = Mount {
        fstype: "securityfs".to_owned(),
        source: "securityfs".to_owned(),
        target: MOUNTED.to_owned(),
        flags,
        data: String::new(),
    };
    mount.apply()?;
    let opened = open_log(LOG);
    mounts::detach(MOUNTED)?;
    opened
}

fn open_log(path: &str) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(path, error)),
    }
}
