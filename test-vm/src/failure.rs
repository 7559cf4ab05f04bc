//! A boot that measureroot stopped: the line on the console, and what the TPM holds.

use crate::stopped_vm::{DEFAULT_PCR, FAILED};
use crate::{Result, StoppedVm, ensure};

/// A step of the boot at which a scenario expects a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of the console.
pub enum Step {
    ReadCommandLine,
    LoadModules,
    WaitForDevices,
    FindImage,
    HashImage,
    SealImage,
    MountImage,
    WriteLog,
    MoveMounts,
    SwitchRoot,
    StartInit,
}

impl Step {
    /// Its name on the console.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadCommandLine => "read the command line",
            Self::LoadModules => "load kernel modules",
            Self::WaitForDevices => "wait for devices",
            Self::FindImage => "find the image",
            Self::HashImage => "hash the image",
            Self::SealImage => "seal the image",
            Self::MountImage => "mount the image",
            Self::WriteLog => "write the event log",
            Self::MoveMounts => "move the mounts",
            Self::SwitchRoot => "switch root",
            Self::StartInit => "start init",
        }
    }
}

/// The parts of the line `measureroot: FAILED at step "STEP": OBJECT: CAUSE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step that failed.
    pub step: String,
    /// The object that it failed on.
    pub object: String,
    /// The error and its likely cause.
    pub cause: String,
}

impl Failure {
    /// Reads a line of the console. `None` if it is another line.
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
    /// What measureroot printed.
    pub failure: Failure,
    /// The VM after that.
    pub vm: StoppedVm,
}

impl Failed {
    /// Checks that the boot failed closed at `step` and names `object`: the machine was switched off, and the default PCR
    /// holds `measureroot: failed` and nothing else, in every bank.
    pub fn at(&self, step: Step, object: &str) -> Result<()> {
        self.at_step(step, object)?;
        self.vm.holds(DEFAULT_PCR, None, FAILED)
    }

    /// Checks the same, except for the PCR.
    pub fn at_step(&self, step: Step, object: &str) -> Result<()> {
        let (step, Failure { step: at, object: on, cause }) = (step.name(), &self.failure);
        ensure!(at == step && on.contains(object), "not {step:?} on {object:?}, but {at:?} on {on:?}: {cause}");
        ensure!(!cause.is_empty(), "the failure names no cause");
        self.vm.was_switched_off()
    }

    /// Checks that the cause has each of these parts.
    pub fn because(&self, parts: &[&str]) -> Result<()> {
        ensure!(parts.iter().all(|part| self.failure.cause.contains(part)), "no {parts:?} in {:?}", self.failure);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_line_has_a_step_an_object_and_a_cause_after_the_kernel_s_time_stamp() {
        let line = "[    2.5] measureroot: FAILED at step \"find the image\": /x: ENOENT: no such file (misspelt?)\r";
        let [step, object, cause] = ["find the image", "/x", "ENOENT: no such file (misspelt?)"].map(str::to_owned);
        assert_eq!(Failure::parse(line), Some(Failure { step, object, cause }));
    }

    #[test]
    fn any_other_line_is_no_failure() {
        assert_eq!(Failure::parse("measureroot: step \"find the image\": /x"), None);
    }
}
