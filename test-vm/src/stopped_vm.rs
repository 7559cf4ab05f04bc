//! A VM that has stopped: its console, the reason, and its TPM as the guest left it.

use crate::{Bank, Result, ensure, swtpm::Swtpm, tpm_channel::TpmChannel};
use std::collections::BTreeMap;

/// The PCR that measureroot extends if the command line names no other.
pub const DEFAULT_PCR: u8 = 13;
/// What measureroot extends when a boot fails.
pub const FAILED: &str = "measureroot: failed";
/// What measureroot extends when `measureroot=off` is on the command line.
pub const UNMEASURED: &str = "measureroot: unmeasured";

/// What remains of a VM.
#[derive(Debug)]
pub struct StoppedVm {
    reason: Option<String>,
    console: Vec<String>,
    tpm: Option<Swtpm>,
}

impl StoppedVm {
    pub(crate) fn new(reason: Option<String>, console: Vec<String>, tpm: Option<Swtpm>) -> Self {
        Self { reason, console, tpm }
    }

    /// Why it stopped, in QEMU's words: `guest-shutdown` or `guest-reset`. It is `still running` if the harness killed QEMU.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("still running")
    }

    /// Checks that the guest switched the machine off.
    pub fn was_switched_off(&self) -> Result<()> {
        ensure!(self.reason() == "guest-shutdown", "stopped by {}, not by a power-off", self.reason());
        Ok(())
    }

    /// All lines of the console.
    #[must_use]
    pub fn console(&self) -> &[String] {
        &self.console
    }

    /// Checks that one line of the console has all these parts.
    pub fn says(&self, parts: &[&str]) -> Result<()> {
        let said = self.console.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        ensure!(said, "no line with {parts:?} in\n{}", self.console.join("\n"));
        Ok(())
    }

    /// The TPM.
    pub fn tpm(&self) -> Result<&Swtpm> {
        self.tpm.as_ref().ok_or_else(|| "this VM had no TPM".into())
    }

    /// A PCR in every active bank, read from outside the guest.
    pub fn pcrs(&self, index: u8) -> Result<BTreeMap<Bank, String>> {
        let tpm = self.tpm()?;
        let mut channel = TpmChannel::connect(&tpm.control())?;
        if tpm.is_version_12() {
            return Ok(BTreeMap::from([(Bank::Sha1, channel.pcr_of_version_12(index)?)]));
        }
        tpm.banks().iter().map(|bank| Ok((*bank, channel.pcr(*bank, index)?))).collect()
    }

    /// Checks that `event` was extended into the PCR once, in every bank. The PCR held `before` until then, or zero.
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
