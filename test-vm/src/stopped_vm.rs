//! A VM that has ended: what it said, how it ended, and its TPM as the guest left it.

use crate::{Bank, Result, ensure, swtpm::Swtpm, tpm_channel::TpmChannel};
use std::collections::BTreeMap;

/// What is left of a VM.
#[derive(Debug)]
pub struct StoppedVm {
    stopped: Option<String>,
    console: Vec<String>,
    tpm: Option<Swtpm>,
}

impl StoppedVm {
    pub(crate) fn new(stopped: Option<String>, console: Vec<String>, tpm: Option<Swtpm>) -> Self {
        Self { stopped, console, tpm }
    }

    /// How it ended, in QEMU's words: `guest-shutdown`, `guest-reset`; `still running` when it was we who ended it.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.stopped.as_deref().unwrap_or("still running")
    }

    /// All that was on the console.
    #[must_use]
    pub fn console(&self) -> &[String] {
        &self.console
    }

    /// The TPM.
    pub fn tpm(&self) -> Result<&Swtpm> {
        self.tpm.as_ref().ok_or_else(|| "this VM had no TPM".into())
    }

    /// A PCR in every active bank, read from outside.
    pub fn pcrs(&self, index: u8) -> Result<BTreeMap<Bank, String>> {
        let tpm = self.tpm()?;
        let mut outside = TpmChannel::connect(&tpm.control())?;
        tpm.banks().iter().map(|bank| Ok((*bank, outside.pcr(*bank, index)?))).collect()
    }

    /// Checks that `event` was extended into the PCR, once, in every bank: onto what `before` says, or zero.
    pub fn holds(&self, pcr: u8, before: Option<&BTreeMap<Bank, String>>, event: &str) -> Result<()> {
        for (bank, value) in self.pcrs(pcr)? {
            let start = before.and_then(|before| before.get(&bank)).cloned().unwrap_or_else(|| bank.zeros());
            let once = bank.extend(&start, &bank.of(event.as_bytes())?)?;
            ensure!(value == once, "{} PCR {pcr} is {value}, not {start} with {event:?} ({once})", bank.name());
        }
        Ok(())
    }

    /// Checks that nothing was extended into the PCR.
    pub fn holds_nothing(&self, pcr: u8) -> Result<()> {
        for (bank, value) in self.pcrs(pcr)? {
            ensure!(value == bank.zeros(), "{} PCR {pcr} is {value}, not zero", bank.name());
        }
        Ok(())
    }
}
