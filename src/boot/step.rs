//! The steps of the boot, and the failure of a step.

use std::fmt::{self, Display};

use crate::error::Error;

/// Makes the enum of the steps from one list. Each step has its key in status.json and its name in messages.
macro_rules! steps {
    ($($step:ident: $key:literal, $name:literal;)*) => {
        /// A step of the boot.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // `name` describes each one.
        pub(crate) enum Step {
            $($step,)*
        }

        impl Step {
            /// Every step, in the order of the boot.
            #[cfg(feature = "cli")]
            pub(crate) const ALL: &[Self] = &[$(Self::$step,)*];

            /// What the step does, as messages say it.
            #[must_use]
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)*
                }
            }

            /// The step's key in `seconds` of status.json.
            #[must_use]
            pub(crate) fn key(self) -> &'static str {
                match self {
                    $(Self::$step => $key,)*
                }
            }
        }
    };
}

impl Step {
    /// Whether a driver that is missing can be the cause of its failure.
    #[must_use]
    pub(crate) fn needs_drivers(self) -> bool {
        matches!(self, Self::Devices | Self::Image | Self::Seal | Self::MountImage | Self::Overlay)
    }
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
pub(crate) struct Failure {
    /// The step.
    pub step: Step,
    /// The object, the cause and the hint.
    pub error: Error,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAILED at step \"{}\": {}", self.step.name(), self.error)
    }
}
