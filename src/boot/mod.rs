//! The boot: its sequence, the machine that it asks, and what it reports.

pub mod firmware_log;
pub mod linux;
pub mod sequence;
pub mod status;
pub mod step;

pub use sequence::{Machine, boot, fail};
