//! The part of the configuration that is needed to find an image.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use crate::media::image::Found;
use crate::media::rootflags::RootFlags;
use crate::media::superblock::FileSystem;
use crate::media::wait::Wait;

/// How to search for an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageRequest<'a> {
    /// Whether the image was prepared with veritysetup. Then nothing of it is read until dm-verity checks what is read.
    pub prepared: bool,
    /// `rootfstype=`: the file systems that the device of `root=` may have; any, if the list is empty.
    pub fstypes: &'a [FileSystem],
    /// `rootflags=`: options for mounting that device.
    pub flags: &'a RootFlags,
    /// How long to wait for devices.
    pub wait: Wait,
}

/// Where the image is, after its device has appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageLocation {
    /// The device at this node is the image.
    Device(PathBuf),
    /// The image is a file on the file system of a device.
    File {
        /// The device's node.
        node: PathBuf,
        /// The path from the top of the file system, without a slash in front.
        path: String,
        /// How the device was found.
        found: Found,
    },
}

impl ImageLocation {
    /// The node of the device.
    pub(crate) fn node(&self) -> &Path {
        let (Self::Device(node) | Self::File { node, .. }) = self;
        node
    }
}

impl Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node().display())
    }
}
