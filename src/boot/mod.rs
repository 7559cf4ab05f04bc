//! The boot: its sequence, the machine that it runs on, and its report.

mod clock;
mod fail;
#[cfg(test)]
mod fake_machine;
mod firmware_log;
pub mod linux;
mod machine;
mod root_devices;
mod sequence;
#[cfg(test)]
mod sequence_tests;
mod status;
pub(crate) mod step;
mod tpm_device;

pub use fail::fail;
pub use sequence::boot;
