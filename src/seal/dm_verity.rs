//! The verity target of the device-mapper, as it is handed to the kernel.

use std::path::PathBuf;

use crate::cmdline::choice::Choice;
use crate::hash::tree_shape::TreeHash;
use crate::hash::tree_shape::TreeShape;

/// Bytes of struct dm_target_spec.
const TARGET_SPEC: usize = 40;

/// The parameters of a verity target (kernel, Documentation/admin-guide/device-mapper/verity.rst).
#[derive(Debug, Clone)]
pub(crate) struct VerityTarget {
    /// The device with the data.
    pub data: PathBuf,
    /// The device with the tree.
    pub tree: PathBuf,
    /// Where the tree begins on that device, in blocks of the tree.
    pub tree_start: u64,
    /// The block sizes, the number of data blocks, and the salt.
    pub shape: TreeShape,
    /// The root hash.
    pub root_hash: TreeHash,
    /// What happens at a corrupt block.
    pub on_corrupt: OnCorrupt,
}

/// `measureroot.oncorrupt=`: what happens if a block differs from what was measured, or if the medium does not give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCorrupt {
    /// The read fails with EIO.
    #[default]
    Error,
    /// The machine restarts.
    Restart,
    /// The kernel panics.
    Panic,
}

impl Choice for OnCorrupt {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("restart", Self::Restart), ("panic", Self::Panic)];
}

impl OnCorrupt {
    /// The arguments of dm-verity: for a block that differs, and for a read that fails. An attacker who controls the medium would
    /// choose the failed read if only the wrong block had an effect.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Error => &[],
            Self::Restart => &["restart_on_corruption", "restart_on_error"],
            Self::Panic => &["panic_on_corruption", "panic_on_error"],
        }
    }

    /// How many of the arguments the kernels know that have none for a failed read (before Linux 6.13;
    /// drivers/md/dm-verity-target.c, `verity_is_verity_error_mode`).
    pub(super) const WITHOUT_READ_ERRORS: usize = 1;
    /// All arguments.
    pub(super) const WITH_READ_ERRORS: usize = 2;
}

impl VerityTarget {
    /// The arguments in the target's line of the device's table, with at most `most` of those of `measureroot.oncorrupt=`.
    #[must_use]
    fn table(&self, most: usize) -> String {
        let hex = |bytes: &[u8]| if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) };
        let words: Vec<_> = self.on_corrupt.arguments().iter().copied().take(most).collect();
        let options = if words.is_empty() { String::new() } else { format!(" {} {}", words.len(), words.join(" ")) };
        format!(
            "1 {} {} {} {} {} {} sha256 {} {}{options}",
            self.data.display(),
            self.tree.display(),
            self.shape.data_block,
            self.shape.hash_block,
            self.shape.data_blocks,
            self.tree_start,
            hex(&self.root_hash),
            hex(&self.shape.salt)
        )
    }

    /// struct dm_target_spec and the table line after it, padded to a multiple of 8 bytes.
    #[must_use]
    pub(super) fn encode(&self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&0u64.to_ne_bytes());
        bytes.extend_from_slice(&(self.shape.data_bytes() / 512).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        let mut kind = [0; 16];
        kind[..6].copy_from_slice(b"verity");
        bytes.extend_from_slice(&kind);
        bytes.extend_from_slice(self.table(most).as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        debug_assert!(bytes.len() > TARGET_SPEC);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_dm_verity_s_format() {
        let target = VerityTarget {
            data: "/dev/loop0".into(),
            tree: "/dev/loop1".into(),
            tree_start: 7,
            shape: TreeShape { data_block: 4096, data_blocks: 10, hash_block: 1024, salt: vec![] },
            root_hash: [0xab; 32],
            on_corrupt: OnCorrupt::Restart,
        };
        let root = "ab".repeat(32);
        let line = format!("1 /dev/loop0 /dev/loop1 4096 1024 10 7 sha256 {root} -");
        assert_eq!(
            target.table(OnCorrupt::WITH_READ_ERRORS),
            format!("{line} 2 restart_on_corruption restart_on_error")
        );
        assert_eq!(target.table(OnCorrupt::WITHOUT_READ_ERRORS), format!("{line} 1 restart_on_corruption"));
        assert_eq!(target.encode(OnCorrupt::WITH_READ_ERRORS).len() % 8, 0);
        let by_default = VerityTarget { on_corrupt: OnCorrupt::Error, ..target };
        assert_eq!(by_default.table(OnCorrupt::WITH_READ_ERRORS), line);
    }
}
