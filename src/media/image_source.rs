//! Where the root image is, in the words of the command line.

use std::fmt::{self, Display};

use crate::error::{Error, Result};
use crate::media::device_name::{DeviceName, is_plain_path};

/// Where the image is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `root=` alone: the device is the image.
    Device(DeviceName),
    /// `root=` and `rootimg=`: the image is a file on the device's file system.
    File(DeviceName, String),
    /// `rootimg=` alone: the image is a file on whichever device has it.
    Search(String),
}

impl Source {
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

/// Reads the value of `rootimg=`: a path on the medium, from its top whether or not it begins with a slash.
///
/// # Errors
/// For an empty path and for one with `..`, which has no business on a medium.
pub fn image_path(text: &str) -> Result<String> {
    let path = text.trim_start_matches('/');
    if is_plain_path(path) {
        Ok(path.to_owned())
    } else {
        Err(Error::new(text, "not the path of a file on the medium")
            .hint("write it from the top of the medium, without `..`"))
    }
}

impl Display for Source {
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
    fn image_paths() {
        for (text, want) in [("a", "a"), ("/a/b.img", "a/b.img"), ("//a", "a"), ("a..b", "a..b")] {
            assert_eq!(image_path(text).unwrap(), want);
        }
        for text in ["", "/", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a", "a\0"] {
            assert!(image_path(text).is_err(), "{text:?}");
        }
    }
}
