//! An image that veritysetup prepared: with its Merkle tree, and the root hash of it.

use crate::{Image, Prediction, Result, tool};
use std::time::Duration;

/// What a boot with `roothash=` needs.
#[derive(Debug)]
pub struct PreparedImage {
    /// The image; where the tree lies behind it, both.
    pub image: Image,
    /// The tree, where it is apart.
    pub tree: Option<Image>,
    /// The root hash, in hex.
    pub root_hash: String,
    /// Where the tree's superblock is.
    pub offset: u64,
}

impl PreparedImage {
    /// With the tree in a file of its own, in the words of `veritysetup format`.
    pub fn apart(image: &Image, options: &[&str]) -> Result<Self> {
        let tree = Image::empty()?;
        let root_hash = format(image, &tree, options)?;
        Ok(Self { image: image.copy()?, tree: Some(tree), root_hash, offset: 0 })
    }

    /// With the tree behind the data, in the same file.
    pub fn behind(image: &Image) -> Result<Self> {
        let (image, offset) = (image.copy()?, std::fs::metadata(image.path())?.len().next_multiple_of(4096));
        let root_hash = format(&image, &image, &[&format!("--hash-offset={offset}")])?;
        Ok(Self { image, tree: None, root_hash, offset })
    }

    /// The root hash with another last digit.
    #[must_use]
    pub fn wrong_by_one_digit(&self) -> String {
        let (rest, last) = self.root_hash.split_at(self.root_hash.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    }

    /// What `measureroot predict` says of it, by the root hash alone and out of the image, which must be the same.
    pub fn predicted(&self) -> Result<Prediction> {
        let text = |image: &Image| image.path().to_string_lossy().into_owned();
        let (image, tree) = (text(&self.image), text(self.tree.as_ref().unwrap_or(&self.image)));
        let by_hash = Prediction::by(&["--roothash", &self.root_hash])?;
        let by_image = Prediction::by(&["--verity", &image, &tree, "--hash-offset", &self.offset.to_string()])?;
        crate::ensure!(by_hash == by_image, "{by_hash:?} is not {by_image:?}");
        Ok(by_hash)
    }
}

fn format(image: &Image, tree: &Image, options: &[&str]) -> Result<String> {
    let mut format = tool::limited(Duration::from_mins(2), "/usr/sbin/veritysetup");
    let said = tool::finish(format.arg("format").args(options).arg(image.path()).arg(tree.path()))?;
    let root_hash = said.lines().find_map(|line| line.strip_prefix("Root hash:"));
    Ok(root_hash.ok_or_else(|| format!("veritysetup says no root hash: {said}"))?.trim().to_owned())
}
