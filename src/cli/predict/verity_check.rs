//! The check of an image against the Merkle tree that `veritysetup format` made of it.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::cli::image_file::{ImageFile, progress_bar};
use crate::cli::input_file::{self, Kinds};
use crate::cli::unchanged::Unchanged;
use crate::error::{Context, Error, Result};
use crate::hash::file_blocks::FileBlocks;
use crate::hash::merkle;
use crate::hash::pass::{self, Tee};
use crate::hash::tree_shape::TreeHash;
use crate::seal::memory_file;
use crate::seal::prepared_tree::{self, TreeHead, TreeLocation};

/// An image, and the tree that shall belong to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct VerityCheck<'a> {
    /// The image's file or device.
    pub(super) image: &'a Path,
    /// The file or device with the tree.
    pub(super) tree: &'a Path,
    /// Where the tree's superblock begins, in bytes.
    pub(super) offset: u64,
}

impl VerityCheck<'_> {
    /// Builds the tree anew from every byte of the image, with the block sizes and the salt of the superblock, and compares
    /// the two: at the first block that does not match, a boot would fail. The tree must cover the whole file system of the
    /// image, as a boot demands. Returns the root hash.
    pub(super) fn root_hash(self) -> Result<TreeHash> {
        let image = ImageFile::open(self.image)?;
        let tree_name = self.tree.display().to_string();
        let tree = input_file::open(self.tree, Kinds::Seekable)?;
        let tree_opened = Unchanged::since(&tree, &tree_name)?;
        let location = TreeLocation { offset: self.offset, data_bytes: image.bytes };
        let TreeHead { start, shape, .. } = prepared_tree::read(&tree, &tree_name, location)?;
        prepared_tree::check_file_system(&image.file, &image.name, &shape, &[])?;
        let bar = progress_bar(shape.data_bytes());
        let mut growing = GrowingTree(merkle::TreeBuilder::new(memory_file::create("tree")?, shape));
        let mut blocks = FileBlocks::new(&image.file, &image.name, growing.0.shape().data_bytes())?;
        pass::digests(&mut blocks, &[], Some(&mut growing), &mut |done| bar.set_position(done))?;
        bar.finish_and_clear();
        let (expected_tree, shape, root_hash) = growing.0.finish()?;
        let block = shape.hash_block;
        let (mut expected, mut found) = (vec![0; block.into()], vec![0; block.into()]);
        for at in (0..shape.tree_bytes()).step_by(block.into()) {
            expected_tree.read_exact_at(&mut expected, at).about("Merkle tree")?;
            let place = start * u64::from(block) + at;
            tree.read_exact_at(&mut found, place).about(&tree_name)?;
            if found != expected {
                return Err(Error::new(&tree_name, format!("its block at byte {place} does not match {}", image.name))
                    .hint("did one of them change? `veritysetup format` makes a new tree"));
            }
        }
        image.check_unchanged()?;
        tree_opened.map_or(Ok(()), |opened| opened.check(&tree, &tree_name))?;
        Ok(root_hash)
    }
}

/// A tree that grows while the image's bytes pass.
struct GrowingTree(merkle::TreeBuilder);

impl Tee for GrowingTree {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.update(bytes)
    }
}
