//! Builds the Merkle tree of dm-verity from the image's bytes as they pass by. It keeps one block of each level in memory.
//!
//! Format: kernel, Documentation/admin-guide/device-mapper/verity.rst, hash type 1, SHA-256, salt in front.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Context, Error, Result};
use crate::hash::image_sha256::ImageSha256;
use crate::hash::sha256_pair::Sha256Pair;
use crate::hash::sha256_state::{self, MessageBlock, START};
use crate::hash::tree_shape::{TreeHash, TreeShape};

/// A tree that grows with the data. Each of its blocks is written where dm-verity looks for it.
#[derive(Debug)]
pub struct TreeBuilder {
    out: File,
    shape: TreeShape,
    pair: Sha256Pair,
    /// Memory for two padded messages.
    messages: [Vec<u8>; 2],
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
            pair: Sha256Pair::of_processor(),
            messages: Default::default(),
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

    /// The same tree, hashed in a way that may be wrong.
    #[cfg(test)]
    pub(crate) fn hashed_by(self, pair: Sha256Pair) -> Self {
        Self { pair, ..self }
    }

    /// Whether a SHA-256 of the data takes hardly any time if the tree computes it beside its own.
    #[must_use]
    pub(crate) fn has_time_for_image(&self) -> bool {
        self.pair.is_faster()
    }

    /// Takes further data.
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub fn update(&mut self, data: &[u8]) -> Result<()> {
        self.take(data, None)
    }

    /// Takes further data, and adds all blocks of the tree that are complete to `image`, too. The others: [`Self::rest`].
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub(crate) fn update_with(&mut self, data: &[u8], image: &mut ImageSha256) -> Result<()> {
        self.take(data, Some(image))
    }

    /// The bytes after the last complete block.
    #[must_use]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.partial
    }

    fn take(&mut self, mut data: &[u8], mut image: Option<&mut ImageSha256>) -> Result<()> {
        let size = usize::from(self.shape.data_block);
        if !self.partial.is_empty() {
            let (fill, rest) = data.split_at(data.len().min(size - self.partial.len()));
            self.partial.extend_from_slice(fill);
            data = rest;
            if self.partial.len() < size {
                return Ok(());
            }
            let block = std::mem::take(&mut self.partial);
            self.add_blocks(&block, image.as_deref_mut())?;
        }
        let (blocks, rest) = data.split_at(data.len() - data.len() % size);
        self.add_blocks(blocks, image)?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Adds the digests of whole blocks: of each beside the image, or of two beside each other.
    fn add_blocks(&mut self, blocks: &[u8], mut image: Option<&mut ImageSha256>) -> Result<()> {
        let size = usize::from(self.shape.data_block);
        self.pair.check(&blocks[..blocks.len().min(size)]);
        self.taken += (blocks.len() / size) as u64;
        let at_a_time = if image.is_some() { size } else { 2 * size };
        for blocks in blocks.chunks(at_a_time) {
            let (first, second) = blocks.split_at(size);
            let digests = self.hash(first, second, image.as_deref_mut());
            self.add_digest(0, digests[0])?;
            if !second.is_empty() {
                self.add_digest(0, digests[1])?;
            }
        }
        Ok(())
    }

    /// The digests of two blocks, or of one beside the image.
    fn hash(&mut self, first: &[u8], second: &[u8], image: Option<&mut ImageSha256>) -> [TreeHash; 2] {
        let (salt, [a, b]) = (&self.shape.salt, &mut self.messages);
        let [mut leaf, mut other] = [START; 2];
        let (state, blocks) = match image {
            Some(image) => image.add(first),
            None => (&mut other, message(b, salt, second)),
        };
        self.pair.compress([&mut leaf, state], [message(a, salt, first), blocks]);
        [leaf, other].map(sha256_state::digest)
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
        let (mut block, size) = (std::mem::take(&mut self.levels[level].block), self.shape.hash_block);
        block.resize(size.into(), 0);
        let [digest, _] = self.hash(&block, &[], None);
        let current = &mut self.levels[level];
        self.out.write_all_at(&block, current.offset).about("Merkle tree")?;
        current.offset += u64::from(size);
        block.clear();
        current.block = block;
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

/// What is hashed of a block: the salt, the block and the padding, in `memory`. The copy takes a hundredth of the time of the
/// hash.
fn message<'a>(memory: &'a mut Vec<u8>, salt: &[u8], block: &[u8]) -> &'a [MessageBlock] {
    memory.clear();
    memory.extend_from_slice(salt);
    memory.extend_from_slice(block);
    let bytes = memory.len() as u64;
    sha256_state::pad(memory, bytes);
    memory.as_chunks().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;

    /// A tree over three blocks of 512 bytes, and the data.
    fn tree() -> (TreeBuilder, Vec<u8>) {
        let shape = TreeShape { data_block: 512, data_blocks: 3, hash_block: 512, salt: b"salt".to_vec() };
        (TreeBuilder::new(tempfile::tempfile().unwrap(), shape), (0..3 * 512_u16).map(|i| i.to_be_bytes()[1]).collect())
    }

    #[test]
    fn a_tree_does_not_depend_on_the_way_it_is_hashed() {
        let (mut expected, data) = tree();
        expected.update(&data).unwrap();
        let (_, _, root_hash) = expected.finish().unwrap();
        let ways = [Sha256Pair::of_processor(), Sha256Pair::of(|_, _| ())];
        for pair in ways {
            // One block each time, two, and parts.
            for piece in [512, 1024, 700] {
                let mut alone = tree().0.hashed_by(pair);
                data.chunks(piece).try_for_each(|piece| alone.update(piece)).unwrap();
                assert_eq!(alone.finish().unwrap().2, root_hash, "{piece}");
                let (mut beside, mut image) = (tree().0.hashed_by(pair), ImageSha256::new());
                data.chunks(piece).try_for_each(|piece| beside.update_with(piece, &mut image)).unwrap();
                assert_eq!(image.finish(beside.rest()), Bank::Sha256.digest(&data), "{piece}");
                assert_eq!(beside.finish().unwrap().2, root_hash, "{piece}");
            }
        }
    }
}
