//! Builds the Merkle tree of dm-verity from the image's bytes as they pass by. It keeps one block of each level in memory.
//!
//! Format: kernel, Documentation/admin-guide/device-mapper/verity.rst, hash type 1, SHA-256, salt in front.

use std::fs::File;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::{TreeHash, TreeShape};

/// A tree that grows with the data. Each of its blocks is written where dm-verity looks for it.
#[derive(Debug)]
pub struct TreeBuilder {
    out: File,
    salted: Sha256,
    shape: TreeShape,
    /// The first bytes of a data block whose other bytes have not come yet.
    partial: Vec<u8>,
    /// Data blocks so far.
    taken: u64,
    levels: Vec<Level>,
    root: Option<TreeHash>,
}

/// The block of a level that is being filled, and its offset in the tree's file.
#[derive(Debug)]
struct Level {
    block: Vec<u8>,
    offset: u64,
}

impl TreeBuilder {
    /// A tree of this shape, written to `out`.
    #[must_use]
    pub fn new(out: File, shape: TreeShape) -> Self {
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
    pub fn shape(&self) -> &TreeShape {
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
            self.add_block(&block)?;
        }
        let mut blocks = data.chunks_exact(size);
        blocks.by_ref().try_for_each(|block| self.add_block(block))?;
        self.partial.extend_from_slice(blocks.remainder());
        Ok(())
    }

    fn add_block(&mut self, block: &[u8]) -> Result<()> {
        self.taken += 1;
        self.add_digest(0, hash(&self.salted, block))
    }

    /// Adds a digest to a level. A full block is written, and its digest is added to the level above.
    fn add_digest(&mut self, level: usize, digest: TreeHash) -> Result<()> {
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
        self.add_digest(level + 1, digest)
    }

    /// The tree's file, its shape and the root hash, when all data has come.
    ///
    /// # Errors
    /// When the length of the data is not the one in the shape, or the tree cannot be written.
    pub fn finish(mut self) -> Result<(File, TreeShape, TreeHash)> {
        if self.levels.is_empty() {
            // dm-verity needs a hash device even if there is only one block of data.
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
            _ => Err(Error::new(
                "Merkle tree",
                format!("{} of {} blocks were given", self.taken, self.shape.data_blocks),
            )),
        }
    }
}

/// Hashes one block after the other. Two blocks at a time could be faster, because a hash waits half of the time for
/// its own rounds; but no widely used library offers that. 32 bytes of salt cost nothing: they fill up the last
/// compression.
fn hash(salted: &Sha256, block: &[u8]) -> TreeHash {
    salted.clone().chain_update(block).finalize().into()
}
