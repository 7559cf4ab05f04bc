//! Waiting for the TPM and opening it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::error::{Context, Error, Result};
use crate::measure::pcrs::Pcrs;
use crate::measure::session::SessionChoice;
use crate::media::wait::Wait;
use crate::sys::random::random;
use crate::tpm::EsysPcrs;

/// Opens the TPM; `None` if none appears within `patience`.
///
/// # Errors
/// When it is a TPM 1.2, when it cannot be opened, or when the session cannot be started.
pub(super) fn open(patience: Duration, session: SessionChoice) -> Result<Option<Box<dyn Pcrs>>> {
    // The kernel's resource manager has a node for a TPM 2.0 only, so that node shows that there is one. It is not opened: for
    // each command it would save and load the session, which takes 18 more commands.
    let (managed, node) = (Path::new("/dev/tpmrm0"), Path::new("/dev/tpm0"));
    let version = "/sys/class/tpm/tpm0/tpm_version_major";
    let found = Wait::at_most(patience).until_found(|| {
        if fs::read_to_string(version).is_ok_and(|version| version.trim() == "1") {
            return Err(Error::new(node.display(), "is a TPM 1.2").hint("measureroot needs a TPM 2.0"));
        }
        Ok(managed.exists().then_some(()))
    })?;
    if found.is_none() {
        return Ok(None);
    }
    if session != SessionChoice::None {
        // The session needs random bytes, and would wait for them without a limit.
        random(patience)?;
    }
    let pcrs = EsysPcrs::open(node)?.protected(session, null_name()?)?;
    Ok(Some(Box::new(pcrs)))
}

/// The kernel's name of the key that salts its own sessions (Linux 6.10, CONFIG_TCG_TPM2_HMAC). Our sessions use the same key.
fn null_name() -> Result<Option<String>> {
    let path = "/sys/class/tpm/tpm0/null_name";
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        name => name.map(Some).about(path),
    }
}
