//! The macros of the log for what the boot can reach. Those of the crate `log` put the place of the call into the program at each call:
//! nobody is told it, and the agent would be larger.

use std::fmt::Arguments;

macro_rules! debug {
    ($($words:tt)+) => { $crate::say::say(::log::Level::Debug, format_args!($($words)+)) };
}
macro_rules! info {
    ($($words:tt)+) => { $crate::say::say(::log::Level::Info, format_args!($($words)+)) };
}
// An attribute of the compiler has the name that this one is used by.
macro_rules! warn_ {
    ($($words:tt)+) => { $crate::say::say(::log::Level::Warn, format_args!($($words)+)) };
}
macro_rules! error {
    ($($words:tt)+) => { $crate::say::say(::log::Level::Error, format_args!($($words)+)) };
}
pub(crate) use {debug, error, info, warn_ as warn};

/// Logs a message.
#[inline(never)]
pub(crate) fn say(level: log::Level, words: Arguments<'_>) {
    log::log!(level, "{words}");
}
