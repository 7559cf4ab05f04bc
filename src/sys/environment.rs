//! The environment that the kernel gave PID 1.
#![allow(unsafe_code)] // The environment belongs to all threads.

use std::ffi::CString;

/// Takes the environment away from this process and gives it to the caller. The kernel puts unknown parameters of the
/// command line there, and libraries read it (tpm2-tss its log file, for one).
#[must_use]
pub fn take() -> Vec<CString> {
    use std::os::unix::ffi::OsStrExt;
    let variables = std::env::vars_os()
        .filter_map(|(key, value)| {
            let mut bytes = key.as_bytes().to_vec();
            bytes.push(b'=');
            bytes.extend_from_slice(value.as_bytes());
            CString::new(bytes).ok()
        })
        .collect();
    // SAFETY: called first thing in main, when there is no other thread that could be reading the environment. When it
    // fails there is nothing better to do than to go on with what libraries make of it.
    if unsafe { nix::env::clearenv() }.is_err() {
        log::warn!("environment: cannot be cleared");
    }
    variables
}
