//! A TPM that may be slow: each wait for it has a line on the console.

use std::time::Duration;

use crate::console::slow::{Due, watched};
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;

/// A wait for the TPM.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiting {
    /// The kernel shows no TPM yet. The wait has this limit.
    ForTheNode(Duration),
    /// The TPM does not answer to a command.
    ForAnAnswer,
}

/// A TPM that is there appears and answers in less time, even if it creates a key.
const DUE: Due = Due { first: Duration::from_secs(8), again: Duration::from_secs(30) };

/// How long the kernel's driver waits for the slowest commands, in seconds (drivers/char/tpm/tpm.h, `TPM2_DURATION_LONG_LONG`). No
/// parameter changes it, and until then the TPM takes no other command.
const DRIVER: u64 = 300;

impl Waiting {
    /// Does `work`, and says on the console if it takes long. These are no errors, but only errors are shown in spite of `quiet`.
    pub(super) fn during<T>(self, work: impl FnOnce() -> T) -> T {
        let say = move |time: Duration| match self {
            Self::ForTheNode(limit) => {
                log::error!("no TPM for {} s; waits for at most {} s", time.as_secs(), limit.as_secs());
            }
            Self::ForAnAnswer => log::error!(
                "the TPM has not answered for {} s; the kernel's driver waits for up to {DRIVER} s and cannot be interrupted",
                time.as_secs()
            ),
        };
        watched(DUE, say, work)
    }
}

/// PCRs whose TPM may be slow.
pub(super) struct PatientTpm<P>(pub(super) P);

impl<P: Pcrs> Pcrs for PatientTpm<P> {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        Waiting::ForAnAnswer.during(|| self.0.banks(pcr))
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        Waiting::ForAnAnswer.during(|| self.0.read(pcr, banks))
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        Waiting::ForAnAnswer.during(|| self.0.extend(pcr, digests))
    }

    fn session(&self) -> Option<Session> {
        self.0.session()
    }
}
