//! Whether the program was started without standard output (`>&-`).
//!
//! Before `main`, Rust's runtime opens /dev/null in place of each closed standard stream (library/std/src/sys/pal/unix/mod.rs,
//! `sanitize_standard_fds`). All that is printed would vanish there without an error. /dev/null is also what a program that
//! wants no output has there, so the two can be told apart only before the runtime starts.
#![allow(unsafe_code)] // Only a function in .init_array runs before Rust's runtime.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc::{F_GETFD, STDOUT_FILENO, fcntl};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed when the program was started.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

extern "C" fn look() {
    // SAFETY: F_GETFD only asks for the flags of a descriptor, which may be closed. It needs nothing of Rust's runtime.
    let flags = unsafe { fcntl(STDOUT_FILENO, F_GETFD) };
    CLOSED.store(flags == -1, Ordering::Relaxed);
}

// SAFETY: before `main`, the C library calls each pointer in this section once, as a C function; `look` takes no arguments and
// ignores those that glibc gives (System V ABI, "Initialization and Termination Functions").
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;
