//! An image that veritysetup prepared: it comes with a Merkle tree and its root hash.

use crate::{Image, Prediction, Result, tool};
use std::time::Duration;

/// The image, and what a boot with `roothash=` needs to know of it.
#[derive(Debug)]
pub struct PreparedImage {
    /// The image. If the tree is behind it, both are in this file.
    pub image: Image,
    /// The tree, if it is in a separate file.
    pub tree: Option<Image>,
    /// The root hash, in hex.
    pub root_hash: String,
    /// The offset of the tree's superblock in its file, in bytes.
    pub offset: u64,
}

impl PreparedImage {
    /// An image whose tree is in a separate file, with these options of `veritysetup format`.
    pub fn apart(image: &Image, options: &[&str]) -> Result<Self> {
        let tree = Image::empty()?;
        let root_hash = format(image, &tree, options)?;
        Ok(Self { image: image.copy()?, tree: Some(tree), root_hash, offset: 0 })
    }

    /// An image whose tree is behind it, in the same file.
    pub fn behind(image: &Image) -> Result<Self> {
        let (image, offset) = (image.copy()?, image.bytes()?.next_multiple_of(4096));
        let root_hash = format(&image, &image, &[&format!("--hash-offset={offset}")])?;
        Ok(Self { image, tree: None, root_hash, offset })
    }

    /// The tree of an image whose tree is in a separate file.
    pub fn separate_tree(&self) -> Result<&Image> {
        self.tree.as_ref().ok_or_else(|| "the tree is not in a separate file".into())
    }

    /// A disk with the image and its separate tree in two partitions, whose UUIDs are the halves of the root hash.
    pub fn on_partitions(&self) -> Result<Image> {
        let half = |from: usize| {
            let text = &self.root_hash[from..from + 32];
            [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
        };
        Image::partitioned([(&self.image, &half(0)), (self.separate_tree()?, &half(32))])
    }

    /// The parameter that gives the root hash.
    #[must_use]
    pub fn parameter(&self) -> String {
        format!("roothash={}", self.root_hash)
    }

    /// The root hash with another last digit.
    #[must_use]
    pub fn wrong_by_one_digit(&self) -> String {
        let (rest, last) = self.root_hash.split_at(self.root_hash.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    }

    /// The prediction. `measureroot predict` makes it of the root hash alone and of the image, and both must be the same.
    pub fn predicted(&self) -> Result<Prediction> {
        let text = |image: &Image| image.path().to_string_lossy().into_owned();
        let (image, tree) = (text(&self.image), text(self.tree.as_ref().unwrap_or(&self.image)));
        let by_hash = Prediction::of_root_hash(&self.root_hash)?;
        let by_image = Prediction::by(&["--verity", &image, &tree, "--hash-offset", &self.offset.to_string()])?;
        crate::ensure!(by_hash == by_image, "{by_hash:?} is not {by_image:?}");
        Ok(by_hash)
    }
}

fn format(image: &Image, tree: &Image, options: &[&str]) -> Result<String> {
    let mut format = tool::limited(Duration::from_secs(120), "/usr/sbin/veritysetup");
    let said = tool::finish(format.arg("format").args(options).arg(image.path()).arg(tree.path()))?;
    let root_hash = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
    Ok(root_hash.ok_or_else(|| format!("veritysetup prints no root hash: {said}"))?.trim().to_owned())
}
