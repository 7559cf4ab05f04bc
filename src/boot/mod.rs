//! The boot: its sequence, the machine that it asks, and what it reports.

#[cfg(test)]
mod fake_machine;
pub mod firmware_log;
pub mod linux;
pub mod machine;
pub mod sequence;
#[cfg(test)]
mod sequence_tests;
pub mod status;
pub mod step;

pub use sequence::{boot, fail};
