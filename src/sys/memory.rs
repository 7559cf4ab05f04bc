//! The memory of this machine, as the kernel counts it (proc_meminfo(5)).

use std::path::Path;

use crate::error::{Context, Error, Result};

/// The memory that new files can take without swapping, in bytes, as the kernel estimates it.
///
/// # Errors
/// When /proc/meminfo cannot be read or does not give it.
pub(crate) fn available() -> Result<u64> {
    of_meminfo("MemAvailable:")
}

/// All memory, in bytes.
///
/// # Errors
/// When /proc/meminfo cannot be read or does not give it.
pub(crate) fn total() -> Result<u64> {
    of_meminfo("MemTotal:")
}

fn of_meminfo(key: &str) -> Result<u64> {
    let path = Path::new("/proc/meminfo");
    let text = std::fs::read_to_string(path).about(path.display())?;
    bytes(&text, key).ok_or_else(|| Error::new(path.display(), format_args!("has no {key}")))
}

/// This needs one line. The procfs crate reads all lines, with a parser several times the size of this file's code.
fn bytes(meminfo: &str, key: &str) -> Option<u64> {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB"))?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_meminfo_gives_bytes() {
        let text = "MemTotal:       16384 kB\nMemAvailable:    8192 kB\nHugePages_Total:       0\n";
        assert_eq!(bytes(text, "MemTotal:"), Some(16 << 20));
        assert_eq!(bytes(text, "MemAvailable:"), Some(8 << 20));
        assert_eq!((bytes(text, "HugePages_Total:"), bytes(text, "Mem:")), (None, None));
        assert!(available().unwrap() <= total().unwrap());
    }
}
