//! A parameter of the kernel that has another value while this program runs.

use crate::say;
use std::fs;

/// A parameter below /proc/sys, and the value that it had before.
#[derive(Debug)]
pub(crate) struct Sysctl {
    path: &'static str,
    before: String,
}

impl Sysctl {
    /// Sets the parameter; `None` if the kernel has no such parameter or refuses the value. The boot goes on without it.
    pub(crate) fn set(path: &'static str, value: &str) -> Option<Self> {
        let set = fs::read_to_string(path).and_then(|before| {
            // Some parameters refuse a value without a newline (kernel/printk/printk.c, `devkmsg_sysctl_set_loglvl`).
            fs::write(path, format!("{value}\n"))?;
            Ok(Self { path, before })
        });
        set.inspect_err(|error| say::debug!("{path}: {error}")).ok()
    }

    /// Sets the value that the parameter had before.
    pub(crate) fn restore(&self) {
        if let Err(error) = fs::write(self.path, &self.before) {
            say::warn!("{}: {error}", self.path);
        }
    }
}
