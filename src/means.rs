//! Which seal an image gets: what is wanted, what the machine has, and the decision.

use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::merkle;

/// `measureroot.seal=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// The best that the machine can: verity, else RAM.
    #[default]
    Auto,
    /// A Merkle tree in RAM, by which dm-verity checks every later read.
    Verity,
    /// A copy in RAM.
    Ram,
    /// Nothing: a medium that lies is believed.
    None,
}

impl Wanted {
    /// Reads the parameter's value.
    ///
    /// # Errors
    /// For any other word.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "verity" => Ok(Self::Verity),
            "ram" | "toram" => Ok(Self::Ram),
            "none" => Ok(Self::None),
            _ => Err(Error::new(text, "malformed value").hint("auto, verity, ram or none")),
        }
    }
}

/// What decides which seal it can be.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// The image's length in bytes.
    pub bytes: u64,
    /// Bytes of its file system's blocks.
    pub block: u32,
    /// The kernel has dm-verity.
    pub verity: bool,
    /// Bytes of memory that could be had.
    pub memory: u64,
}

/// A seal that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// See [`Wanted::Verity`].
    Verity,
    /// See [`Wanted::Ram`].
    Ram,
    /// See [`Wanted::None`].
    None,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Verity => "verity, every later read is checked against what was measured",
            Self::Ram => "ram, a copy of what was measured",
            Self::None => "none",
        })
    }
}

/// Memory that the copy in RAM must leave to the rest of the system.
const SPARE: u64 = 64 << 20;

/// Decides.
///
/// # Errors
/// When what is wanted cannot be had; with both ways out when nothing can.
pub fn decide(wanted: Wanted, means: Means) -> Result<Kind> {
    let verity = if !means.verity {
        Err(Error::new("dm-verity", "the kernel does not have it")
            .hint("set CONFIG_DM_VERITY, or pack the dm-verity module into the initramfs"))
    } else if merkle::data_block(means.bytes, means.block).is_none() {
        Err(Error::new("dm-verity", format!("the image's {} bytes are no multiple of 512", means.bytes)))
    } else {
        Ok(Kind::Verity)
    };
    let needed = means.bytes.saturating_add(SPARE);
    let ram = if needed > means.memory {
        let cause = format!("the copy needs {needed} bytes of memory, {} can be had", means.memory);
        Err(Error::new("measureroot.seal=ram", cause).hint("add memory, or use measureroot.seal=verity"))
    } else {
        Ok(Kind::Ram)
    };
    match wanted {
        Wanted::None => Ok(Kind::None),
        Wanted::Verity => verity,
        Wanted::Ram => ram,
        Wanted::Auto => verity.or_else(|no_verity| {
            ram.map_err(|no_ram| {
                Error::new("measureroot.seal=auto", format!("{no_verity}; and {no_ram}"))
                    .hint("or accept the gap with measureroot.seal=none")
            })
        }),
    }
}

/// What could be had for a copy: the kernel's own estimate (proc_meminfo(5), MemAvailable).
///
/// # Errors
/// When /proc/meminfo does not tell.
pub fn available_memory() -> Result<u64> {
    let path = Path::new("/proc/meminfo");
    let text = std::fs::read_to_string(path).about(path.display())?;
    // One line of it: the procfs crate reads them all, with a parser several times the size of this file's code.
    let kib = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB"));
    let kib: u64 =
        kib.and_then(|kib| kib.trim().parse().ok()).ok_or_else(|| Error::new(path.display(), "no MemAvailable"))?;
    Ok(kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_is_decided_by_a_table() {
        const GIB: u64 = 1 << 30;
        let means = |bytes, verity, memory| Means { bytes, block: 4096, verity, memory };
        let (rich, poor) = (4 * GIB, GIB);
        let table = [
            (Wanted::Auto, means(GIB, true, rich), Some(Kind::Verity)),
            (Wanted::Auto, means(GIB, true, poor), Some(Kind::Verity)),
            (Wanted::Auto, means(GIB, false, rich), Some(Kind::Ram)),
            (Wanted::Auto, means(GIB, false, poor), None),
            (Wanted::Auto, means(GIB + 1, true, rich), Some(Kind::Ram)),
            (Wanted::Auto, means(GIB + 1, true, poor), None),
            (Wanted::Verity, means(GIB, true, poor), Some(Kind::Verity)),
            (Wanted::Verity, means(GIB, false, rich), None),
            (Wanted::Verity, means(GIB + 1, true, rich), None),
            (Wanted::Ram, means(GIB, true, rich), Some(Kind::Ram)),
            (Wanted::Ram, means(GIB, true, poor), None),
            (Wanted::Ram, means(u64::MAX, true, u64::MAX - 1), None),
            (Wanted::None, means(GIB, true, rich), Some(Kind::None)),
        ];
        for (wanted, means, kind) in table {
            assert_eq!(decide(wanted, means).ok(), kind, "{wanted:?} {means:?}");
        }
        let error = decide(Wanted::Auto, means(GIB, false, poor)).unwrap_err().to_string();
        assert!(error.contains("CONFIG_DM_VERITY") && error.contains("1140850688") && error.contains("1073741824"));
    }
}
