//! The steps of the boot, and how long each one takes.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Makes the enum of the steps out of one list: each step with its key in status.json and its name in messages.
macro_rules! steps {
    ($($step:ident: $key:literal, $name:literal;)*) => {
        /// A step of the boot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // `name` says what each one does.
        pub enum Step {
            $($step,)*
        }

        impl Step {
            /// Every step, in the order of the boot.
            pub const ALL: &[Self] = &[$(Self::$step,)*];

            /// What the step does.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }

            /// The step's key in the status file's `seconds`.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self {
                    $(Self::$step => $key,)*
                }
            }
        }
    };
}

steps! {
    Mounts: "mounts", "mount the kernel's file systems";
    CommandLine: "command_line", "read the command line";
    Modules: "modules", "load kernel modules";
    Devices: "devices", "wait for devices";
    Image: "image", "find the image";
    Seal: "seal", "seal the image";
    Banks: "banks", "ask the TPM for its banks";
    Hash: "hash", "hash the image";
    Extend: "extend", "extend the PCR";
    MountImage: "mount_image", "mount the image";
    Overlay: "overlay", "mount the overlay";
    Log: "log", "write the event log";
    Status: "status", "write the status";
    MoveMounts: "move_mounts", "move the mounts";
    SwitchRoot: "switch_root", "switch root";
    Init: "init", "start init";
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
