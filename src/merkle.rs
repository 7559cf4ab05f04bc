//! The Merkle tree of dm-verity, built from the image's bytes as they pass by, in memory for one path of the tree.
//!
//! Format: kernel, Documentation/admin-guide/device-mapper/verity.rst, hash type 1, SHA-256, salt in front.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use crate::error::{Context, Error, Result};

/// A root hash, or another digest of the tree.
pub type Hash = [u8; 32];

/// Bytes of a block of the tree: the page size, the largest that the kernel takes (drivers/md/dm-verity-target.c).
pub const HASH_BLOCK: usize = 4096;

/// Digests in a block of the tree.
const FAN_OUT: u64 = (HASH_BLOCK / size_of::<Hash>()) as u64;

/// The largest block size that divides `bytes`, at most `most` bytes: 4096, or less down to the 512 of a loop device;
/// `None` when even that does not, or when there is nothing to divide. A verity device has sectors of this size, and no
/// file system can be mounted from sectors larger than its own blocks.
#[must_use]
pub fn data_block(bytes: u64, most: u32) -> Option<u16> {
    let fits = |&size: &u16| bytes > 0 && u32::from(size) <= most && bytes.is_multiple_of(size.into());
    [4096, 2048, 1024, 512].into_iter().find(fits)
}

/// How many blocks each level of the tree over `data_blocks` has, the lowest level first.
fn level_sizes(data_blocks: u64) -> Vec<u64> {
    let above = |&blocks: &u64| (blocks > 1).then(|| blocks.div_ceil(FAN_OUT));
    std::iter::successors(Some(data_blocks), above).skip(1).collect()
}

/// A tree that grows as the data comes in, and is written block by block to where dm-verity looks for each.
#[derive(Debug)]
pub struct Builder {
    out: File,
    salted: Sha256,
    data_block: usize,
    data_blocks: u64,
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
    /// A tree over `data_blocks` blocks of `data_block` bytes, written to `out`.
    #[must_use]
    pub fn new(out: File, salt: &[u8], data_block: u16, data_blocks: u64) -> Self {
        let sizes = level_sizes(data_blocks);
        // On the hash device the highest level comes first.
        let offset = |level: usize| sizes[level + 1..].iter().sum::<u64>() * HASH_BLOCK as u64;
        let levels = (0..sizes.len()).map(|i| Level { block: Vec::with_capacity(HASH_BLOCK), offset: offset(i) });
        Self {
            out,
            salted: Sha256::new_with_prefix(salt),
            data_block: data_block.into(),
            data_blocks,
            partial: Vec::new(),
            taken: 0,
            levels: levels.collect(),
            root: None,
        }
    }

    /// Takes further data.
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub fn update(&mut self, mut data: &[u8]) -> Result<()> {
        if !self.partial.is_empty() {
            let (fill, rest) = data.split_at(data.len().min(self.data_block - self.partial.len()));
            self.partial.extend_from_slice(fill);
            data = rest;
            if self.partial.len() < self.data_block {
                return Ok(());
            }
            let block = std::mem::take(&mut self.partial);
            self.take(&block)?;
        }
        let mut blocks = data.chunks_exact(self.data_block);
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
        if current.block.len() < HASH_BLOCK { Ok(()) } else { self.flush(level) }
    }

    fn flush(&mut self, level: usize) -> Result<()> {
        let current = &mut self.levels[level];
        current.block.resize(HASH_BLOCK, 0);
        self.out.write_all_at(&current.block, current.offset).about("Merkle tree")?;
        current.offset += HASH_BLOCK as u64;
        let digest = hash(&self.salted, &current.block);
        current.block.clear();
        self.push(level + 1, digest)
    }

    /// The tree's file and the root hash, once all the data came in.
    ///
    /// # Errors
    /// When it was more or less than announced, or the tree cannot be written.
    pub fn finish(mut self) -> Result<(File, Hash)> {
        if self.levels.is_empty() {
            // dm-verity wants a hash device even where one block of data is all.
            self.out.set_len(HASH_BLOCK as u64).about("Merkle tree")?;
        }
        for level in 0..self.levels.len() {
            if !self.levels[level].block.is_empty() {
                self.flush(level)?;
            }
        }
        match self.root {
            Some(root) if self.taken == self.data_blocks && self.partial.is_empty() => Ok((self.out, root)),
            _ => Err(Error::new("Merkle tree", format!("{} of {} blocks came", self.taken, self.data_blocks))),
        }
    }
}

fn hash(salted: &Sha256, block: &[u8]) -> Hash {
    salted.clone().chain_update(block).finalize().into()
}
