//! Which seal an image gets: the choice on the command line, the conditions on this machine, and the decision.

use crate::cmdline::choice::Choice;
use crate::error::{Error, Result};
use crate::hash::tree_shape::{self, HASH_BLOCK, TreeShape};

/// `measureroot.seal=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealChoice {
    /// Verity if the machine supports it, else RAM.
    #[default]
    Auto,
    /// A Merkle tree in RAM. dm-verity checks every later read against it.
    Verity,
    /// A copy in RAM.
    Ram,
    /// No seal: later reads are not checked, so the medium may answer a second read with other bytes.
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
pub(crate) const PREPARED: &str = "roothash";

/// What the image, its device and the machine offer for a seal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealConditions {
    /// The image's length in bytes.
    pub bytes: u64,
    /// The largest sectors in bytes from which its file system can be mounted, which its superblock gives; 0 for a prepared
    /// image, whose Merkle tree gives them.
    pub block: u32,
    /// The sector size of the device that holds the image, in bytes.
    pub sector: u32,
    /// Whether the kernel has dm-verity and the hash for it.
    pub verity: bool,
    /// Available memory, in bytes.
    pub memory: u64,
}

impl SealConditions {
    /// Checks that the kernel has dm-verity.
    ///
    /// # Errors
    /// When the kernel lacks dm-verity or the hash for it.
    pub(crate) fn require_verity(&self) -> Result<()> {
        if self.verity {
            return Ok(());
        }
        Err(Error::new("dm-verity", "the kernel lacks it, or lacks sha256").hint(
            "set CONFIG_DM_VERITY and CONFIG_CRYPTO_SHA256, or pack dm-verity and sha256_generic into the initramfs",
        ))
    }
}

/// The seal of an image that is not prepared.
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

/// Memory in bytes that the copy in RAM must leave to the rest of the system.
const SPARE: u64 = 64 << 20;
/// Memory in bytes that the tree must leave: twice what the agent itself takes. Machines with little memory have a tree, because
/// it is small, so it need not leave as much as the copy.
const SPARE_BESIDE_TREE: u64 = 16 << 20;

/// Decides which seal the image gets.
///
/// # Errors
/// When the conditions do not allow the seal that was chosen. If `auto` finds no seal, the error gives the causes and hints of
/// both.
pub(crate) fn decide(choice: SealChoice, conditions: SealConditions) -> Result<SealKind> {
    let verity = verity(conditions);
    let needed = conditions.bytes.saturating_add(SPARE);
    let ram = if needed > conditions.memory {
        let cause = format!("the copy needs {needed} bytes of memory, {} are available", conditions.memory);
        Err(Error::new("measureroot.seal=ram", cause).hint("add memory, or use measureroot.seal=verity"))
    } else {
        Ok(SealKind::Ram)
    };
    match choice {
        SealChoice::None => Ok(SealKind::None),
        SealChoice::Verity => verity,
        SealChoice::Ram => ram,
        SealChoice::Auto => verity.or_else(|no_verity| {
            ram.map_err(|no_ram| {
                Error::new("measureroot.seal=auto", format_args!("{no_verity}; and {no_ram}"))
                    .hint("or boot without a seal: measureroot.seal=none")
            })
        }),
    }
}

/// Whether the image can get a Merkle tree.
fn verity(conditions: SealConditions) -> Result<SealKind> {
    let SealConditions { bytes, block, sector, .. } = conditions;
    conditions.require_verity()?;
    match tree_shape::largest_data_block(bytes, block) {
        None => Err(Error::new("dm-verity", format_args!("the image's {bytes} bytes are not a multiple of 512"))),
        // The kernel refuses such a device (drivers/md/dm-verity-target.c: "Invalid data device block size").
        Some(block) if u32::from(block) < sector => {
            let cause = format!("the image can have blocks of {block} bytes, but the device's sectors have {sector}");
            Err(Error::new("dm-verity", cause).hint("make an image with larger blocks, or use measureroot.seal=ram"))
        }
        Some(block) => fits_memory(conditions, block),
    }
}

/// Whether the tree fits in the memory. The length of the image comes from the medium: a sparse image of many gigabytes would
/// otherwise fill the memory until the kernel panics.
fn fits_memory(conditions: SealConditions, data_block: u16) -> Result<SealKind> {
    let SealConditions { bytes, memory, .. } = conditions;
    let data_blocks = bytes / u64::from(data_block);
    let tree = TreeShape { data_block, data_blocks, hash_block: HASH_BLOCK, salt: Vec::new() }.tree_bytes();
    let needed = tree.saturating_add(SPARE_BESIDE_TREE);
    if needed <= memory {
        return Ok(SealKind::Verity);
    }
    let cause = format!("the tree of an image of {bytes} bytes needs {needed} bytes of memory, {memory} are available");
    Err(Error::new("dm-verity", cause).hint("add memory, or prepare the image with veritysetup and use roothash="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_and_the_conditions_decide_the_seal() {
        const GIB: u64 = 1 << 30;
        let conditions = |bytes, verity, memory| SealConditions { bytes, block: 4096, sector: 512, verity, memory };
        let (rich, poor) = (4 * GIB, GIB);
        let on_sectors = |sector, block, bytes| SealConditions { block, sector, ..conditions(bytes, true, rich) };
        let table = [
            (SealChoice::Auto, conditions(GIB, true, rich), Some(SealKind::Verity)),
            (SealChoice::Auto, conditions(GIB, true, poor), Some(SealKind::Verity)),
            (SealChoice::Auto, conditions(GIB, false, rich), Some(SealKind::Ram)),
            (SealChoice::Auto, conditions(GIB, false, poor), None),
            (SealChoice::Auto, conditions(GIB + 1, true, rich), Some(SealKind::Ram)),
            (SealChoice::Auto, conditions(GIB + 1, true, poor), None),
            (SealChoice::Verity, conditions(GIB, true, poor), Some(SealKind::Verity)),
            (SealChoice::Verity, conditions(GIB, false, rich), None),
            (SealChoice::Verity, conditions(GIB + 1, true, rich), None),
            (SealChoice::Ram, conditions(GIB, true, rich), Some(SealKind::Ram)),
            (SealChoice::Ram, conditions(GIB, true, poor), None),
            (SealChoice::Ram, conditions(u64::MAX, true, u64::MAX - 1), None),
            (SealChoice::None, conditions(GIB, true, rich), Some(SealKind::None)),
            // The tree of 8 GiB has 64.5 MiB.
            (SealChoice::Verity, conditions(8 * GIB, true, 81 << 20), Some(SealKind::Verity)),
            (SealChoice::Verity, conditions(8 * GIB, true, 80 << 20), None),
            (SealChoice::Auto, conditions(8 * GIB, true, 80 << 20), None),
            // To the byte: the levels of this tree have 16384 + 128 + 1 blocks, and the copy needs the image's bytes.
            (SealChoice::Verity, conditions(8 * GIB, true, (16513 << 12) + (16 << 20)), Some(SealKind::Verity)),
            (SealChoice::Verity, conditions(8 * GIB, true, (16513 << 12) + (16 << 20) - 1), None),
            (SealChoice::Ram, conditions(GIB, true, GIB + (64 << 20)), Some(SealKind::Ram)),
            (SealChoice::Ram, conditions(GIB, true, GIB + (64 << 20) - 1), None),
            (SealChoice::Verity, conditions(u64::MAX - 4095, true, u64::MAX / 256), None),
            (SealChoice::Auto, on_sectors(4096, 4096, GIB), Some(SealKind::Verity)),
            (SealChoice::Auto, on_sectors(4096, 1024, GIB), Some(SealKind::Ram)),
            (SealChoice::Verity, on_sectors(4096, 1024, GIB), None),
            (SealChoice::Auto, on_sectors(4096, 4096, GIB + 2048), Some(SealKind::Ram)),
            (SealChoice::Verity, on_sectors(2048, 4096, GIB + 2048), Some(SealKind::Verity)),
            (SealChoice::Verity, on_sectors(2048, 4096, GIB + 1024), None),
            (SealChoice::None, on_sectors(4096, 1024, GIB), Some(SealKind::None)),
        ];
        for (choice, conditions, kind) in table {
            assert_eq!(decide(choice, conditions).ok(), kind, "{choice:?} {conditions:?}");
        }
        assert!(SealKind::Ram.to_string().starts_with("ram, a copy"));
        let error = decide(SealChoice::Auto, conditions(GIB, false, poor)).unwrap_err().to_string();
        let sectors = decide(SealChoice::Verity, on_sectors(4096, 1024, GIB)).unwrap_err().to_string();
        assert!(sectors.contains("1024") && sectors.contains("4096"), "{sectors}");
        assert!(error.contains("CONFIG_DM_VERITY") && error.contains("1140850688") && error.contains("1073741824"));
    }
}
