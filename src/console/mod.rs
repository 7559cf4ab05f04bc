//! What a person at the machine sees: the log, on kmsg and the console, and the progress line.

pub mod logger;
pub mod progress;

pub use logger::{start, unlimit};
