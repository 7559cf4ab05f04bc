//! What the boot asks of the TPMs that it opens.

use std::time::Duration;

use crate::measure::session::SessionChoice;
use crate::measure::tpm_version::TpmChoice;

/// How the TPMs are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TpmRequest {
    /// How long to wait for a TPM. No command may take longer either, but each gets a time that the slowest TPM needs.
    pub(crate) patience: Duration,
    /// The session that protects the commands.
    pub(crate) session: SessionChoice,
    /// Which versions are accepted.
    pub(crate) version: TpmChoice,
}

impl TpmRequest {
    /// For the mark of a failed boot: in each TPM, whatever the command line accepts. It waits only as long as a TPM's driver needs to
    /// start.
    #[must_use]
    pub(crate) fn to_mark(session: SessionChoice) -> Self {
        Self { patience: Duration::ZERO, session, version: TpmChoice::Any }
    }
}
