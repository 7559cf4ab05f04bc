//! The Merkle tree of dm-verity, built from the image's bytes as they pass by, in memory for one path of the tree.
//!
//! Format: kernel, Documentation/admin-guide/device-mapper/verity.rst, hash type 1, SHA-256, salt in front.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use crate::error::{Context, Error, Result};

/// A root hash, or another digest of the tree.
pub type Hash = [u8; 32];

/// Bytes of a block of a tree that is built here: the page size, the largest that the kernel takes
/// (drivers/md/dm-verity-target.c).
pub const HASH_BLOCK: u16 = 4096;

/// What must be known of a tree besides its root hash, to read it or to build it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of a data block, a power of two from 512 to 4096.
    pub data_block: u16,
    /// How many there are.
    pub data_blocks: u64,
    /// Bytes of a block of the tree, a power of two from 512 to 4096.
    pub hash_block: u16,
    /// What is hashed in front of each block.
    pub salt: Vec<u8>,
}

impl Shape {
    /// Bytes of the data.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_blocks.saturating_mul(self.data_block.into())
    }

    /// Bytes of the tree.
    #[must_use]
    pub fn tree_bytes(&self) -> u64 {
        self.level_sizes().iter().sum::<u64>() * u64::from(self.hash_block)
    }

    /// How many blocks each level of the tree has, the lowest level first.
    fn level_sizes(&self) -> Vec<u64> {
        let fan_out = u64::from(self.hash_block) / size_of::<Hash>() as u64;
        let above = |&blocks: &u64| (blocks > 1).then(|| blocks.div_ceil(fan_out));
        std::iter::successors(Some(self.data_blocks), above).skip(1).collect()
    }
}

/// The largest block size that divides `bytes`, at most `most` bytes: 4096, or less down to the 512 of a loop device;
/// `None` when even that does not, or when there is nothing to divide. A verity device has sectors of this size, and no
/// file system can be mounted from sectors larger than its own blocks.
#[must_use]
pub fn data_block(bytes: u64, most: u32) -> Option<u16> {
    let fits = |&size: &u16| bytes > 0 && u32::from(size) <= most && bytes.is_multiple_of(size.into());
    [4096, 2048, 1024, 512].into_iter().find(fits)
}

/// A tree that grows as the data comes in, and is written block by block to where dm-verity looks for each.
#[derive(Debug)]
pub struct Builder {
    out: File,
    salted: Sha256,
    shape: Shape,
    /// The data of a block that is not full yet.
    partial: Vec<u8>,
    taken: u64,
    levels: Vec<Level>,
    root: Option<Hash>,
}

/// A level's block that is being filled, and where it goes.
#[derive(Debug)]
struct Level {
    block: Vec<u8>,
    offset: u64,
}

impl Builder {
    /// A tree of this shape, written to `out`.
    #[must_use]
    pub fn new(out: File, shape: Shape) -> Self {
        let (sizes, block) = (shape.level_sizes(), usize::from(shape.hash_block));
        // On the hash device the highest level comes first.
        let offset = |level: usize| sizes[level + 1..].iter().sum::<u64>() * block as u64;
        let levels = (0..sizes.len()).map(|i| Level { block: Vec::with_capacity(block), offset: offset(i) });
        Self {
            out,
            salted: Sha256::new_with_prefix(&shape.salt),
            partial: Vec::new(),
            taken: 0,
            levels: levels.collect(),
            root: None,
            shape,
        }
    }

    /// The tree's shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Takes further data.
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub fn update(&mut self, mut data: &[u8]) -> Result<()> {
        let size = usize::from(self.shape.data_block);
        if !self.partial.is_empty() {
            let (fill, rest) = data.split_at(data.len().min(size - self.partial.len()));
            self.partial.extend_from_slice(fill);
            data = rest;
            if self.partial.len() < size {
                return Ok(());
            }
            let block = std::mem::take(&mut self.partial);
            self.take(&block)?;
        }
        let mut blocks = data.chunks_exact(size);
        blocks.by_ref().try_for_each(|block| self.take(block))?;
        self.partial.extend_from_slice(blocks.remainder());
        Ok(())
    }

    fn take(&mut self, block: &[u8]) -> Result<()> {
        self.taken += 1;
        self.push(0, hash(&self.salted, block))
    }

    /// Adds a digest to a level; a full block is written, and its own digest goes to the level above.
    fn push(&mut self, level: usize, digest: Hash) -> Result<()> {
        let Some(current) = self.levels.get_mut(level) else {
            self.root = Some(digest);
            return Ok(());
        };
        current.block.extend_from_slice(&digest);
        if current.block.len() < usize::from(self.shape.hash_block) { Ok(()) } else { self.flush(level) }
    }

    fn flush(&mut self, level: usize) -> Result<()> {
        let (current, block) = (&mut self.levels[level], self.shape.hash_block);
        current.block.resize(block.into(), 0);
        self.out.write_all_at(&current.block, current.offset).about("Merkle tree")?;
        current.offset += u64::from(block);
        let digest = hash(&self.salted, &current.block);
        current.block.clear();
        self.push(level + 1, digest)
    }

    /// The tree's file, its shape and the root hash, once all the data came in.
    ///
    /// # Errors
    /// When it was more or less than announced, or the tree cannot be written.
    pub fn finish(mut self) -> Result<(File, Shape, Hash)> {
        if self.levels.is_empty() {
            // dm-verity wants a hash device even where one block of data is all.
            self.out.set_len(self.shape.hash_block.into()).about("Merkle tree")?;
        }
        for level in 0..self.levels.len() {
            if !self.levels[level].block.is_empty() {
                self.flush(level)?;
            }
        }
        match self.root {
            Some(root) if self.taken == self.shape.data_blocks && self.partial.is_empty() => {
                Ok((self.out, self.shape, root))
            }
            _ => Err(Error::new("Merkle tree", format!("{} of {} blocks came", self.taken, self.shape.data_blocks))),
        }
    }
}

/// One block after the other: a hash waits for its own rounds half of the time, in which another could be computed beside
/// it, but no library that many rely on offers that. 32 bytes of salt cost nothing: they fill up the last compression.
fn hash(salted: &Sha256, block: &[u8]) -> Hash {
    salted.clone().chain_update(block).finalize().into()
}
