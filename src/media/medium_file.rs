//! A file on a mounted medium that is the image.

use std::fs::File;
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use crate::error::{Context, Error, Result};
use crate::media::image::{Content, Found, Image, ImagePlace};
use crate::media::image_request::ImageRequest;
use crate::media::read_at::ReadAt;
use crate::media::superblock::Superblock;
use crate::media::superblock_reader;
use crate::say;

/// A medium that is mounted while an image on it is opened.
#[derive(Debug, Clone, Copy)]
pub struct MountedMedium<'a> {
    /// The folder on which the medium is mounted.
    pub top: &'a Path,
    /// The node of its device.
    pub node: &'a Path,
    /// How the device was found.
    pub found: Found,
}

impl MountedMedium<'_> {
    /// Opens the image that is the file `path` of the medium; `None` if the medium has no such file.
    ///
    /// # Errors
    /// When the file is no image, or is not on the medium.
    pub fn open(self, path: &str, request: ImageRequest) -> Result<Option<Image>> {
        let place = ImagePlace::File { node: self.node.to_owned(), path: path.to_owned(), found: self.found };
        let name = place.to_string();
        let folder = File::open(self.top).about(self.top.display())?;
        // The medium's file system is hostile: a link in it may name any file of the initramfs. The flags keep the path
        // below the top of the medium, and within this one mount.
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match openat2(&folder, path, OpenHow::new().flags(flags).resolve(resolve)) {
            Ok(file) => File::from(file),
            Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => return Ok(None),
            Err(nix::errno::Errno::EXDEV) => return Err(Error::new(name, "a symbolic link leads out of the medium")),
            Err(nix::errno::Errno::ELOOP) => {
                return Err(Error::new(name, "its symbolic links lead to each other, or are more than 40")
                    .hint("what the kernel allows: path_resolution(7)"));
            }
            Err(error) => return Err(Error::new(name, error)),
        };
        let stat = fstat(&file).about(&name)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(Error::new(name, "not a regular file"));
        }
        let bytes = u64::try_from(stat.st_size).about(&name)?;
        let content = if request.prepared {
            Content::Prepared
        } else {
            let superblock = superblock(&file, &name, bytes)?;
            say::info!("{name}: {} in a file of {bytes} bytes", superblock.kind.name());
            Content::Plain(superblock)
        };
        Ok(Some(Image { file, place, content, bytes, opened_bytes: bytes }))
    }
}

/// The superblock of an image that is a file of `bytes`, all of which are measured.
///
/// # Errors
/// When the file is no image.
pub(crate) fn superblock(file: &impl ReadAt, name: &str, bytes: u64) -> Result<Superblock> {
    // With rootimg=, rootfstype= is about the medium.
    let superblock = superblock_reader::read_for_root(file, name, &[])?;
    if superblock.bytes > bytes {
        let cause = format!("its {} has {} bytes, the file has {bytes}", superblock.kind.name(), superblock.bytes);
        return Err(Error::new(name, cause).hint("was it copied to the medium as a whole?"));
    }
    Ok(superblock)
}
