//! The environment that the kernel gave PID 1.
#![allow(unsafe_code)] // The environment belongs to all threads.

use crate::say;
use std::ffi::CString;

/// Clears the environment of this process and returns its old content. The kernel puts unknown parameters of the command
/// line there, and libraries read it: tpm2-tss, for example, takes the name of its log file from it.
#[must_use]
pub(crate) fn take() -> Vec<CString> {
    use std::os::unix::ffi::OsStrExt;
    let variables = std::env::vars_os()
        .filter_map(|(key, value)| {
            let mut bytes = key.as_bytes().to_vec();
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            CString::new(bytes).ok()
        })
        .collect();
    // SAFETY: main calls this first, when no other thread exists that could read the environment. If it fails, the boot
    // goes on: then libraries may still read the variables.
    if unsafe { nix::env::clearenv() }.is_err() {
        say::warn!("environment: cannot be cleared");
    }
    variables
}
