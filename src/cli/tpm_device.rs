//! The device of this machine's TPM, for the commands that use one.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

use crate::error::{Error, Result};

/// The device of this machine's TPM: that of the kernel's resource manager, which other programs can use at the same time. There is
/// none for a TPM 1.2.
pub(super) fn usual() -> &'static Path {
    let [managed, only] = ["/dev/tpmrm0", "/dev/tpm0"].map(Path::new);
    if managed.exists() || !only.exists() { managed } else { only }
}

/// Checks that there is a TPM which this user may use: the TPM software stack has the same error for both. `instead` says what the user may
/// give in place of this device.
pub(super) fn can_be_used(device: &Path, instead: &str) -> Result<()> {
    if fs::metadata(device).is_ok_and(|found| !found.file_type().is_char_device()) {
        return Err(Error::new(device.display(), "is no character device, as a TPM is"));
    }
    let opened = File::options().read(true).write(true).open(device);
    opened.map(drop).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => format!("this machine has no TPM, or its driver is not loaded; {instead}"),
            ErrorKind::PermissionDenied => "run as root, or as a member of the device's group, often tss".to_owned(),
            _ => "does another program hold the TPM?".to_owned(),
        };
        Error::new(device.display(), error).hint(hint)
    })
}

/// Names the device in the error of what answered. If Linux knows it as no TPM, that is the likely cause. The folder is that of the device's
/// class (kernel, drivers/char/tpm/tpm-chip.c, `tpm_class` and `tpmrm_class`).
pub(super) fn of_device(error: Error, device: &Path) -> Error {
    let error = error.on(device.display());
    let class = |number: u64| {
        let of_number = format!("/sys/dev/char/{}:{}/subsystem", major(number), minor(number));
        fs::canonicalize(of_number).is_ok_and(|class| class.ends_with("tpm") || class.ends_with("tpmrm"))
    };
    if fs::metadata(device).is_ok_and(|found| class(found.rdev())) {
        error
    } else {
        error.hint("is it a TPM? Linux calls them /dev/tpmrm0 (TPM 2.0) and /dev/tpm0")
    }
}
