//! Opening the device of a TPM, which only one program can have open.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tss2_static::tcti::family::Family;
use tss2_static::tcti::line::Line;

use crate::error::{Error, Result};
use crate::media::wait::Wait;
use crate::say;

/// How long a command may take if nothing else is said. The slowest is TPM2_CreatePrimary: some TPMs need several seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the device as soon as no other program holds it, for example one that the initramfs before this one started. Waits for at
/// most `patience`.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_when_free(device: &Path, family: Family, patience: Duration) -> Result<Line> {
    let mut told = false;
    let opened = Wait::at_most(patience).until_found(|| {
        let opened = Line::open(device, family, PATIENCE);
        let busy = opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::ResourceBusy);
        if busy && !told && !patience.is_zero() {
            told = true;
            let (device, seconds) = (device.display(), patience.as_secs());
            say::warn!("{device}: another program holds the TPM; waits for at most {seconds} s");
        }
        Ok((!busy).then_some(opened))
    })?;
    opened.unwrap_or_else(|| Line::open(device, family, PATIENCE)).map_err(|error| {
        let busy = error.kind() == ErrorKind::ResourceBusy;
        let error = Error::new(device.display(), error);
        if busy { error.hint("another program holds the TPM, or the kernel still waits for its answer") } else { error }
    })
}
