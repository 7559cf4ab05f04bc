//! The steps of the boot: their names in the log, in errors and in the report of timings.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// A step of the boot, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Each is named by `name`.
pub enum Step {
    Mounts,
    CommandLine,
    Modules,
    Devices,
    Image,
    Seal,
    Banks,
    Hash,
    Extend,
    MountImage,
    Overlay,
    Log,
    Status,
    MoveMounts,
    SwitchRoot,
    Init,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 16] = [
        Self::Mounts,
        Self::CommandLine,
        Self::Modules,
        Self::Devices,
        Self::Image,
        Self::Seal,
        Self::Banks,
        Self::Hash,
        Self::Extend,
        Self::MountImage,
        Self::Overlay,
        Self::Log,
        Self::Status,
        Self::MoveMounts,
        Self::SwitchRoot,
        Self::Init,
    ];

    /// What the step does.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mounts => "mount the kernel's file systems",
            Self::CommandLine => "read the command line",
            Self::Modules => "load kernel modules",
            Self::Devices => "wait for devices",
            Self::Image => "find the image",
            Self::Seal => "seal the image",
            Self::Banks => "ask the TPM for its banks",
            Self::Hash => "hash the image",
            Self::Extend => "extend the PCR",
            Self::MountImage => "mount the image",
            Self::Overlay => "mount the overlay",
            Self::Log => "write the event log",
            Self::Status => "write the status",
            Self::MoveMounts => "move the mounts",
            Self::SwitchRoot => "switch root",
            Self::Init => "start init",
        }
    }

    /// The step's key in the status file's `seconds`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Mounts => "mounts",
            Self::CommandLine => "command_line",
            Self::Modules => "modules",
            Self::Devices => "devices",
            Self::Image => "image",
            Self::Seal => "seal",
            Self::Banks => "banks",
            Self::Hash => "hash",
            Self::Extend => "extend",
            Self::MountImage => "mount_image",
            Self::Overlay => "overlay",
            Self::Log => "log",
            Self::Status => "status",
            Self::MoveMounts => "move_mounts",
            Self::SwitchRoot => "switch_root",
            Self::Init => "init",
        }
    }
}

/// A step that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The object and the cause.
    pub error: Error,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAILED at step \"{}\": {}", self.step.name(), self.error)
    }
}

/// How long each step took.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    steps: Vec<(Step, Duration)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now(), steps: Vec::new() }
    }
}

impl Clock {
    /// Does a step: names it in the log and in its error, and takes its time.
    ///
    /// # Errors
    /// That of `work`, with the step's name.
    pub fn step<T>(&mut self, step: Step, work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Failure> {
        if self.steps.last().is_none_or(|(last, _)| *last != step) {
            log::info!("{}", step.name());
        }
        let start = Instant::now();
        let done = work().map_err(|error| Failure { step, error });
        self.steps.push((step, start.elapsed()));
        done
    }

    /// The time since the boot began.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.start.elapsed()
    }

    /// Seconds by step, and in all.
    #[must_use]
    pub fn seconds(&self) -> BTreeMap<&'static str, f64> {
        let mut seconds = BTreeMap::from([("total", self.total().as_secs_f64())]);
        for (step, took) in &self.steps {
            *seconds.entry(step.key()).or_default() += took.as_secs_f64();
        }
        seconds
    }
}
