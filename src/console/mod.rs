//! What a person at the machine sees: the log, on kmsg and the console, and the progress line.

#[cfg(test)]
pub(crate) mod captured;
pub(crate) mod logger;
pub(crate) mod progress;

pub(crate) use logger::start;
