//! The memory of a machine.

use procfs::{FromBufRead, Meminfo};

use super::fact::Fact;
use super::root::Root;
use crate::error::Error;

/// More digits than the memory of a machine has in KiB. The crate multiplies the number by 1024 without a check.
const DIGITS: usize = 15;

/// The memory in bytes (proc_meminfo(5)).
#[derive(Debug)]
pub(in crate::cli::doctor) struct Memory {
    /// All of it.
    pub(in crate::cli::doctor) total: u64,
    /// What is available now; `None` before Linux 3.14.
    pub(in crate::cli::doctor) available: Option<u64>,
}

impl Memory {
    /// Reads it.
    pub(super) fn read(root: &Root) -> Fact<Self> {
        root.bytes("proc/meminfo", 1 << 16).parse(|bytes| {
            let broken = |cause: &dyn std::fmt::Display| Error::new("/proc/meminfo", cause);
            if bytes.split(|byte| !byte.is_ascii_digit()).any(|number| number.len() > DIGITS) {
                return Err(broken(&"has a number that no machine has"));
            }
            let meminfo = Meminfo::from_buf_read(bytes.as_slice()).map_err(|error| broken(&error))?;
            Ok(Self { total: meminfo.mem_total, available: meminfo.mem_available })
        })
    }
}
