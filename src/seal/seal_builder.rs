//! The seal while the image is hashed: the same pass builds the Merkle tree or the copy, so that no later read of the medium
//! has to be trusted.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::hash::pass::Tee;
use crate::hash::tree_shape::{HASH_BLOCK, TreeShape};
use crate::hash::{merkle, tree_shape};
use crate::seal::choice::{PREPARED, SealChoice, SealKind};
use crate::seal::memory_file::{self, COPY};
use crate::seal::prepared_tree::Tree;
use crate::seal::sealed_image::SealedImage;
use crate::sys::random::{self, random};

/// A seal that is being built. It takes the image's bytes as the tee of the hashing pass.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // A boot has one.
pub enum SealBuilder {
    /// A Merkle tree grows in a memory file.
    Verity(merkle::TreeBuilder),
    /// The Merkle tree is on a device already.
    Prepared(Tree),
    /// A copy of the image grows in memory.
    Ram {
        /// The file of the copy.
        memory: File,
        /// How many bytes were copied so far.
        written: u64,
    },
    /// Nothing is kept: later reads of the medium are not checked.
    None,
}

impl SealBuilder {
    /// Begins the seal of an image of `bytes` bytes, whose file system has blocks of `block` bytes.
    ///
    /// # Errors
    /// When the kernel gives no memory file or no random salt, or when the image is not a whole number of blocks.
    pub fn begin(kind: SealKind, bytes: u64, block: u32) -> Result<Self> {
        match kind {
            SealKind::None => Ok(Self::None),
            SealKind::Ram => Ok(Self::Ram { memory: memory_file::create_copy()?, written: 0 }),
            SealKind::Verity => {
                let block = tree_shape::largest_data_block(bytes, block)
                    .ok_or_else(|| Error::new("image", "is not a whole number of blocks"))?;
                let salt = random(random::PATIENCE)?.to_vec();
                let data_blocks = bytes / u64::from(block);
                let shape = TreeShape { data_block: block, data_blocks, hash_block: HASH_BLOCK, salt };
                Ok(Self::Verity(merkle::TreeBuilder::new(memory_file::create("tree")?, shape)))
            }
        }
    }

    /// The name of the seal in the event log.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Verity(_) => SealChoice::Verity.name(),
            Self::Prepared(_) => PREPARED,
            Self::Ram { .. } => SealChoice::Ram.name(),
            Self::None => SealChoice::None.name(),
        }
    }

    /// The tee of the pass over the image, if the seal needs the bytes.
    pub fn tee(&mut self) -> Option<&mut dyn Tee> {
        match self {
            Self::None | Self::Prepared(_) => None,
            builder => Some(builder),
        }
    }

    /// Finishes the seal: from here on nothing can change the tree or the copy.
    ///
    /// # Errors
    /// When bytes of the image are missing, or when the memory file cannot be sealed.
    pub fn finish(self) -> Result<SealedImage> {
        match self {
            Self::None => Ok(SealedImage::None),
            Self::Ram { memory, written } => {
                memory.set_len(written.next_multiple_of(PAGE)).about(COPY)?;
                Ok(SealedImage::Ram(memory_file::seal_copy(memory)?))
            }
            Self::Prepared(tree) => Ok(SealedImage::Prepared(tree)),
            Self::Verity(tree) => {
                let (tree, shape, root_hash) = tree.finish()?;
                Ok(SealedImage::Verity(memory_file::seal(tree, "Merkle tree")?, shape, root_hash))
            }
        }
    }
}

impl Tee for SealBuilder {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::None | Self::Prepared(_) => Ok(()),
            Self::Verity(tree) => tree.update(bytes),
            Self::Ram { memory, written } => {
                memory.write_all_at(bytes, *written).about(COPY)?;
                *written += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn tree(&mut self) -> Option<&mut merkle::TreeBuilder> {
        match self {
            Self::Verity(tree) => Some(tree),
            _ => None,
        }
    }
}

/// The copy is padded with zeros to a multiple of this many bytes, so that a loop device shows it whole, whatever its sector
/// size.
const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_copy_has_the_bytes_of_the_image_and_cannot_be_changed() {
        let image = vec![7; 10_000];
        let mut builder = SealBuilder::begin(SealKind::Ram, image.len() as u64, 4096).unwrap();
        builder.tee().unwrap().take(&image).unwrap();
        let SealedImage::Ram(copy) = builder.finish().unwrap() else { panic!("not a copy in RAM") };
        let mut bytes = vec![1; 12_288];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..10_000] == image && bytes[10_000..].iter().all(|&byte| byte == 0));
        assert!(copy.write_all_at(&[1], 0).is_err() && copy.set_len(1).is_err());
        assert!(
            SealBuilder::begin(SealKind::Verity, 8192, 4096).unwrap().finish().is_err(),
            "the image's bytes are missing"
        );
    }
}
