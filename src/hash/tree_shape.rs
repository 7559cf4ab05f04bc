//! The sizes of a Merkle tree of dm-verity.

/// A root hash, or another digest of the tree.
pub(crate) type TreeHash = [u8; 32];

/// Bytes of a block of the trees that this program builds: the page size, the largest that the kernel takes
/// (drivers/md/dm-verity-target.c).
pub(crate) const HASH_BLOCK: u16 = 4096;

/// What is needed besides the root hash to read a tree or to build it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeShape {
    /// Bytes of a data block, a power of two from 512 to 4096.
    pub data_block: u16,
    /// The number of data blocks.
    pub data_blocks: u64,
    /// Bytes of a block of the tree, a power of two from 512 to 4096.
    pub hash_block: u16,
    /// The bytes that are hashed in front of each block.
    pub salt: Vec<u8>,
}

impl TreeShape {
    /// Bytes of the data.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_blocks.saturating_mul(self.data_block.into())
    }

    /// Bytes of the tree.
    #[must_use]
    pub fn tree_bytes(&self) -> u64 {
        self.level_sizes().iter().sum::<u64>().saturating_mul(self.hash_block.into())
    }

    /// How many blocks each level of the tree has, the lowest level first.
    pub(crate) fn level_sizes(&self) -> Vec<u64> {
        let fan_out = u64::from(self.hash_block) / size_of::<TreeHash>() as u64;
        let above = |&blocks: &u64| (blocks > 1).then(|| blocks.div_ceil(fan_out));
        std::iter::successors(Some(self.data_blocks), above).skip(1).collect()
    }
}

/// The largest size of a data block that divides `bytes` and is at most `most`: 4096, 2048, 1024 or the 512 of a loop
/// device. `None` if no such size divides `bytes`, or if `bytes` is 0. A verity device has sectors of this size, and a
/// file system cannot be mounted from sectors that are larger than its own blocks.
#[must_use]
pub fn largest_data_block(bytes: u64, most: u32) -> Option<u16> {
    let fits = |&size: &u16| bytes > 0 && u32::from(size) <= most && bytes.is_multiple_of(size.into());
    [4096, 2048, 1024, 512].into_iter().find(fits)
}
