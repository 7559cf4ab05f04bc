//! Signals, as the next program of this process inherits them.
#![allow(unsafe_code)] // A signal's action belongs to all threads.

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::error::{Context, Result};

/// Lets SIGPIPE end a program again, as the kernel has it for PID 1. Rust's runtime ignores the signal before `main`, and an
/// ignored signal stays ignored after execve(2): every program of the booted system would write into closed pipes without an
/// end. Rust's handlers of other signals need no reset: execve(2) does it.
///
/// # Errors
/// The errors of sigaction(2).
pub(crate) fn reset_sigpipe() -> Result<()> {
    // SAFETY: the default action is no function that a signal could call.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map(drop).about("SIGPIPE")
}
