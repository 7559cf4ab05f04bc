//! Which seal an image gets: what is wanted, what the machine has, and the decision.

use std::path::Path;

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape;

/// `measureroot.seal=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealChoice {
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

impl Choice for SealChoice {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("verity", Self::Verity),
        ("ram", Self::Ram),
        ("toram", Self::Ram),
        ("none", Self::None),
    ];
}

/// The name of the seal of a prepared image in logs and in status.json. The other seals have the names of [`SealChoice`].
pub const PREPARED: &str = "roothash";

/// What decides which seal it can be.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// The image's length in bytes.
    pub bytes: u64,
    /// Bytes of its file system's blocks.
    pub block: u32,
    /// Bytes of the sectors of the device it is read from.
    pub sector: u32,
    /// The kernel has dm-verity, and the hash for it.
    pub verity: bool,
    /// Bytes of memory that could be had.
    pub memory: u64,
}

impl Means {
    /// Fails where the kernel lacks dm-verity.
    ///
    /// # Errors
    /// See there.
    pub fn has_verity(&self) -> Result<()> {
        if self.verity {
            return Ok(());
        }
        Err(Error::new("dm-verity", "the kernel does not have it, or no sha256 for it").hint(
            "set CONFIG_DM_VERITY and CONFIG_CRYPTO_SHA256, or pack dm-verity and sha256_generic into the initramfs",
        ))
    }
}

/// A seal that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealKind {
    /// See [`SealChoice::Verity`].
    Verity,
    /// See [`SealChoice::Ram`].
    Ram,
    /// See [`SealChoice::None`].
    None,
}

impl std::fmt::Display for SealKind {
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
pub fn decide(wanted: SealChoice, means: Means) -> Result<SealKind> {
    let verity = verity(means);
    let needed = means.bytes.saturating_add(SPARE);
    let ram = if needed > means.memory {
        let cause = format!("the copy needs {needed} bytes of memory, {} can be had", means.memory);
        Err(Error::new("measureroot.seal=ram", cause).hint("add memory, or use measureroot.seal=verity"))
    } else {
        Ok(SealKind::Ram)
    };
    match wanted {
        SealChoice::None => Ok(SealKind::None),
        SealChoice::Verity => verity,
        SealChoice::Ram => ram,
        SealChoice::Auto => verity.or_else(|no_verity| {
            ram.map_err(|no_ram| {
                Error::new("measureroot.seal=auto", format!("{no_verity}; and {no_ram}"))
                    .hint("or accept the gap with measureroot.seal=none")
            })
        }),
    }
}

/// Whether it can be verity.
fn verity(means: Means) -> Result<SealKind> {
    let Means { bytes, sector, .. } = means;
    means.has_verity()?;
    match tree_shape::largest_data_block(bytes, means.block) {
        None => Err(Error::new("dm-verity", format!("the image's {bytes} bytes are no multiple of 512"))),
        // The kernel refuses it (drivers/md/dm-verity-target.c: "Invalid data device block size").
        Some(block) if u32::from(block) < sector => {
            let cause = format!("blocks of {block} bytes divide the image, the device's sectors have {sector}");
            Err(Error::new("dm-verity", cause).hint("make an image of larger blocks, or use measureroot.seal=ram"))
        }
        Some(_) => Ok(SealKind::Verity),
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
        let means = |bytes, verity, memory| Means { bytes, block: 4096, sector: 512, verity, memory };
        let (rich, poor) = (4 * GIB, GIB);
        let on_sectors = |sector, block, bytes| Means { block, sector, ..means(bytes, true, rich) };
        let table = [
            (SealChoice::Auto, means(GIB, true, rich), Some(SealKind::Verity)),
            (SealChoice::Auto, means(GIB, true, poor), Some(SealKind::Verity)),
            (SealChoice::Auto, means(GIB, false, rich), Some(SealKind::Ram)),
            (SealChoice::Auto, means(GIB, false, poor), None),
            (SealChoice::Auto, means(GIB + 1, true, rich), Some(SealKind::Ram)),
            (SealChoice::Auto, means(GIB + 1, true, poor), None),
            (SealChoice::Verity, means(GIB, true, poor), Some(SealKind::Verity)),
            (SealChoice::Verity, means(GIB, false, rich), None),
            (SealChoice::Verity, means(GIB + 1, true, rich), None),
            (SealChoice::Ram, means(GIB, true, rich), Some(SealKind::Ram)),
            (SealChoice::Ram, means(GIB, true, poor), None),
            (SealChoice::Ram, means(u64::MAX, true, u64::MAX - 1), None),
            (SealChoice::None, means(GIB, true, rich), Some(SealKind::None)),
            (SealChoice::Auto, on_sectors(4096, 4096, GIB), Some(SealKind::Verity)),
            (SealChoice::Auto, on_sectors(4096, 1024, GIB), Some(SealKind::Ram)),
            (SealChoice::Verity, on_sectors(4096, 1024, GIB), None),
            (SealChoice::Auto, on_sectors(4096, 4096, GIB + 2048), Some(SealKind::Ram)),
            (SealChoice::Verity, on_sectors(2048, 4096, GIB + 2048), Some(SealKind::Verity)),
            (SealChoice::Verity, on_sectors(2048, 4096, GIB + 1024), None),
            (SealChoice::None, on_sectors(4096, 1024, GIB), Some(SealKind::None)),
        ];
        for (wanted, means, kind) in table {
            assert_eq!(decide(wanted, means).ok(), kind, "{wanted:?} {means:?}");
        }
        let error = decide(SealChoice::Auto, means(GIB, false, poor)).unwrap_err().to_string();
        let sectors = decide(SealChoice::Verity, on_sectors(4096, 1024, GIB)).unwrap_err().to_string();
        assert!(sectors.contains("1024") && sectors.contains("4096"), "{sectors}");
        assert!(error.contains("CONFIG_DM_VERITY") && error.contains("1140850688") && error.contains("1073741824"));
    }
}
