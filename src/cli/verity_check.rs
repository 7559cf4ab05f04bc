//! The root hash of an image that was prepared with veritysetup, out of every byte of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::predict::progress_bar;
use crate::error::{Context, Error, Result};
use crate::hash::blocks::FileBlocks;
use crate::hash::merkle::{self, Hash};
use crate::hash::pass::{self, Tee};
use crate::seal::{prepared_tree, sealing};
use crate::sys::block_device;

/// A tree that takes the image's bytes as they pass by.
struct Growing(merkle::Builder);

impl Tee for Growing {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.update(bytes)
    }
}

/// Builds the tree over `image` once more, with what the superblock at byte `offset` of `tree` says of it, and compares the
/// two: a boot would end at the first block that does not agree.
///
/// # Errors
/// When either cannot be read, or they differ.
pub fn root_hash(image: &Path, tree: &Path, offset: u64) -> Result<Hash> {
    let (image_name, tree_name) = (image.display().to_string(), tree.display().to_string());
    let (image, tree) = (File::open(image).about(&image_name)?, File::open(tree).about(&tree_name)?);
    let bytes = block_device::size(&image).ok_or_else(|| Error::new(&image_name, "has no length"))?;
    let (start, shape) = prepared_tree::read(&tree, &tree_name, offset, bytes)?;
    let bar = progress_bar(shape.data_bytes());
    let mut growing = Growing(merkle::Builder::new(sealing::memory_file("tree")?, shape));
    let mut blocks = FileBlocks::new(&image, &image_name, growing.0.shape().data_bytes())?;
    pass::digests(&mut blocks, &[], Some(&mut growing), &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    let (ours, shape, root_hash) = growing.0.finish()?;
    let block = shape.hash_block;
    let (mut expected, mut found) = (vec![0; block.into()], vec![0; block.into()]);
    for at in (0..shape.tree_bytes()).step_by(block.into()) {
        ours.read_exact_at(&mut expected, at).about("Merkle tree")?;
        let place = start * u64::from(block) + at;
        tree.read_exact_at(&mut found, place).about(&tree_name)?;
        if found != expected {
            return Err(Error::new(tree_name, format!("its block at byte {place} does not agree with {image_name}"))
                .hint("was one of them changed? `veritysetup format` makes the tree anew"));
        }
    }
    Ok(root_hash)
}
