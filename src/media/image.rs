//! The root image that was found: its open file, where it is, and what it holds.

use std::fmt::{self, Display};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::media::superblock::Superblock;

/// An image that was found. The same open file is hashed and mounted.
#[derive(Debug)]
pub struct Image {
    /// The device or file, open for reading.
    pub file: File,
    /// Where it is.
    pub place: ImagePlace,
    /// What it holds.
    pub content: Content,
    /// The length of the image in bytes: all bytes of a file or of a prepared device; on another device as many as its
    /// file system has.
    pub bytes: u64,
    /// Bytes of the device or file when it was opened. It must still have as many after it was hashed.
    pub opened_bytes: u64,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePlace {
    /// The block device at this node is the image.
    Device(PathBuf),
    /// The image is a file on the file system of a block device.
    File {
        /// The node of the device.
        node: PathBuf,
        /// The path from the top of the file system, without a slash in front.
        path: String,
        /// How the device was found.
        found: Found,
    },
}

/// How the device of an image was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The command line names it.
    Named,
    /// It is the first one that has the image's file.
    Searched,
}

/// What an image holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file system, which its superblock describes.
    Plain(Superblock),
    /// An image that was prepared with veritysetup. Nothing of it is read before dm-verity checks what is read.
    Prepared,
}

impl ImagePlace {
    /// The node of the device.
    pub(crate) fn node(&self) -> &Path {
        let (Self::Device(node) | Self::File { node, .. }) = self;
        node
    }
}

impl Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Display for ImagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(node) => write!(f, "{}", node.display()),
            Self::File { node, path, .. } => write!(f, "/{path} on {}", node.display()),
        }
    }
}
