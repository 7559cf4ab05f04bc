//! The place of the root image, according to the command line.

use std::fmt::{self, Display};

use crate::error::{Error, Result};
use crate::media::device_name::{DeviceName, is_plain_path};

/// The place of the image, according to the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// `root=` alone: the device is the image.
    Device(DeviceName),
    /// `root=` and `rootimg=`: the image is a file on the device's file system.
    File(DeviceName, String),
    /// `rootimg=` alone: the image is a file, and every device is searched for it.
    Search(String),
}

impl ImageSource {
    /// The source that a device, a path or both name.
    ///
    /// # Errors
    /// When neither is given.
    pub fn named(device: Option<DeviceName>, path: Option<String>) -> Result<Self> {
        match (device, path) {
            (Some(device), None) => Ok(Self::Device(device)),
            (Some(device), Some(path)) => Ok(Self::File(device, path)),
            (None, Some(path)) => Ok(Self::Search(path)),
            (None, None) => Err(Error::new("command line", "names no root image")
                .hint("root= names the device that is the image, rootimg= the image as a file on a medium")),
        }
    }
}

/// Reads the value of `rootimg=`: a path from the top of the medium, with or without a slash in front.
///
/// # Errors
/// For an empty path, and for one with `..`, which could lead out of the medium.
pub(crate) fn image_path(text: &str) -> Result<String> {
    let path = text.trim_start_matches('/');
    if is_plain_path(path) {
        Ok(path.to_owned())
    } else {
        Err(Error::new(text, "not the path of a file on the medium")
            .hint("write it from the top of the medium, without `..`"))
    }
}

impl Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => write!(f, "{device}"),
            Self::File(device, path) => write!(f, "/{path} on {device}"),
            Self::Search(path) => write!(f, "/{path} on any medium"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_top_of_the_medium() {
        for (text, want) in [("a", "a"), ("/a/b.img", "a/b.img"), ("//a", "a"), ("a..b", "a..b")] {
            assert_eq!(image_path(text).unwrap(), want);
        }
        for text in ["", "/", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a", "a\0"] {
            assert!(image_path(text).is_err(), "{text:?}");
        }
    }
}
