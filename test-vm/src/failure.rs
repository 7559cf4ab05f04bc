//! A boot that measureroot ended: the one line it says about it, and what it left in the TPM.

use crate::{Result, StoppedVm, ensure};

/// The failure line, taken apart: `measureroot: FAILED at step "STEP": OBJECT: CAUSE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The named step.
    pub step: String,
    /// What it failed on.
    pub object: String,
    /// The errno or what else was wrong, the likely cause included.
    pub cause: String,
}

impl Failure {
    /// Reads one console line; `None` for any other line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, said) = line.split_once("measureroot: FAILED at step \"")?;
        let (step, rest) = said.split_once("\": ")?;
        let (object, cause) = rest.trim_end().split_once(": ")?;
        Some(Self { step: step.into(), object: object.into(), cause: cause.into() })
    }
}

/// A boot that failed closed.
#[derive(Debug)]
pub struct Failed {
    /// What measureroot said.
    pub failure: Failure,
    /// How the VM ended.
    pub ended: StoppedVm,
}

impl Failed {
    /// Checks that the boot failed closed at `step`, naming `object`: switched off as asked, and `measureroot: failed` as
    /// the only thing in the default PCR, in every bank.
    pub fn at(&self, step: &str, object: &str) -> Result<()> {
        self.at_step(step, object)?;
        self.ended.holds(13, None, "measureroot: failed")
    }

    /// As [`Self::at`], whatever the PCR holds.
    pub fn at_step(&self, step: &str, object: &str) -> Result<()> {
        let Failure { step: at, object: on, cause } = &self.failure;
        ensure!(at == step && on.contains(object), "not {step:?} on {object:?}, but {at:?} on {on:?}: {cause}");
        ensure!(!cause.is_empty(), "the failure names no cause");
        ensure!(self.ended.reason() == "guest-shutdown", "ended by {}, not by a power-off", self.ended.reason());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_taken_apart_behind_the_kernel_s_time_stamp() {
        let line = "[    2.5] measureroot: FAILED at step \"find the image\": /x: ENOENT: no such file (misspelt?)\r";
        let [step, object, cause] = ["find the image", "/x", "ENOENT: no such file (misspelt?)"].map(str::to_owned);
        assert_eq!(Failure::parse(line), Some(Failure { step, object, cause }));
    }

    #[test]
    fn another_line_is_no_failure() {
        assert_eq!(Failure::parse("measureroot: step \"find the image\": /x"), None);
    }
}
