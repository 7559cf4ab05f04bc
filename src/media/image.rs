//! The root image: finding it, and its exact length.

use std::fmt::{self, Display};
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use crate::error::{Context, Error, Result};
use crate::media::devices;
use crate::media::image_request::ImageRequest;
use crate::media::superblock::{FileSystem, Superblock};
use crate::sys::block_device;

/// An image that was found. The open file is what is hashed, and what is mounted.
#[derive(Debug)]
pub struct Image {
    /// The device or file, open for reading.
    pub file: File,
    /// Where it is.
    pub place: Place,
    /// What it holds.
    pub content: Content,
    /// Its length in bytes: of a file, all of it; of a device, as much as its file system has; of a prepared device, all of it.
    pub bytes: u64,
    /// Bytes of the device or file when it was opened. It must have as many when it has been hashed.
    pub opened_bytes: u64,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The block device at this node is the image.
    Device(PathBuf),
    /// The image is a file on the file system of a block device.
    File {
        /// The node of the device.
        node: PathBuf,
        /// The path from the top of the file system, without a slash in front.
        path: String,
        /// Whether the command line named the device, or every device was searched.
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
    /// It was prepared with veritysetup. Nothing of it is read before dm-verity checks what is read.
    Prepared,
}

impl Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(node) => write!(f, "{}", node.display()),
            Self::File { node, path, .. } => write!(f, "/{path} on {}", node.display()),
        }
    }
}

/// mksquashfs fills the file up to this many bytes, beyond the length the superblock gives (-nopad leaves that out).
const SQUASHFS_PAD: u64 = 4096;

/// The length of an image that fills the front of a device of `device_bytes`: what `sha256sum` of the image file hashed
/// before the file was written to the device.
///
/// # Errors
/// When the device is shorter than its file system.
pub fn length_on_device(superblock: &Superblock, device_bytes: u64, name: &str) -> Result<u64> {
    let own = superblock.bytes;
    let padded = own.checked_next_multiple_of(SQUASHFS_PAD).filter(|&bytes| bytes <= device_bytes);
    match padded {
        // One that says it has no bytes is measured as nothing otherwise.
        Some(padded) if superblock.kind == FileSystem::Squashfs && own > 0 => Ok(padded),
        _ if (1..=device_bytes).contains(&own) => Ok(own),
        _ => {
            let cause = format!("its {} is {own} bytes long, the device {device_bytes}", superblock.kind.name());
            Err(Error::new(name, cause).hint("was the image written to the device as a whole?"))
        }
    }
}

/// Takes a device as the image.
///
/// # Errors
/// When no image is on it.
pub fn on_device(node: &Path, request: ImageRequest) -> Result<Image> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    let opened_bytes = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no size"))?;
    block_device::set_read_only(&file, &name)?;
    let (content, bytes) = if request.prepared {
        (Content::Prepared, opened_bytes)
    } else {
        let superblock = image_superblock(&file, &name, request.fstypes)?;
        let bytes = length_on_device(&superblock, opened_bytes, &name)?;
        log::info!("{name}: {} of {bytes} bytes on a device of {opened_bytes}", superblock.kind.name());
        (Content::Plain(superblock), bytes)
    };
    Ok(Image { file, place: Place::Device(node.to_owned()), content, bytes, opened_bytes })
}

/// A medium whose file system is mounted, for the time in which an image on it is opened.
#[derive(Debug, Clone, Copy)]
pub struct MountedMedium<'a> {
    /// The folder on which it is mounted.
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
    /// When there is one that is no image, or that lies elsewhere than on the medium.
    pub fn open(self, path: &str, request: ImageRequest) -> Result<Option<Image>> {
        let place = Place::File { node: self.node.to_owned(), path: path.to_owned(), found: self.found };
        let name = place.to_string();
        let folder = File::open(self.top).about(self.top.display())?;
        // The medium's file system is hostile: a link in it may name any file of the initramfs. This also keeps to its one mount.
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match openat2(&folder, path, OpenHow::new().flags(flags).resolve(resolve)) {
            Ok(file) => File::from(file),
            Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => return Ok(None),
            Err(nix::errno::Errno::EXDEV | nix::errno::Errno::ELOOP) => {
                return Err(Error::new(name, "a symbolic link leads out of the medium"));
            }
            Err(error) => return Err(Error::new(name, error)),
        };
        let stat = fstat(&file).about(&name)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(Error::new(name, "not a regular file"));
        }
        let bytes = u64::try_from(stat.st_size).about(&name)?;
        let content =
            if request.prepared { Content::Prepared } else { Content::Plain(file_superblock(&file, &name, bytes)?) };
        Ok(Some(Image { file, place, content, bytes, opened_bytes: bytes }))
    }
}

fn file_superblock(file: &File, name: &str, bytes: u64) -> Result<Superblock> {
    // With rootimg=, rootfstype= is for the medium.
    let superblock = image_superblock(file, name, &[])?;
    if superblock.bytes > bytes {
        let cause = format!("its {} is {} bytes long, the file {bytes}", superblock.kind.name(), superblock.bytes);
        return Err(Error::new(name, cause).hint("was it copied to the medium as a whole?"));
    }
    log::info!("{name}: {} in a file of {bytes} bytes", superblock.kind.name());
    Ok(superblock)
}

/// The superblock of what shall be the root.
///
/// # Errors
/// When there is none, or one that cannot be a root, or none of those that were asked for.
pub fn image_superblock(file: &File, name: &str, fstypes: &[String]) -> Result<Superblock> {
    match devices::superblock(file, name)? {
        Some(found) if !found.kind.is_image() => {
            let cause = format!("{} is a medium's file system, not a root image's", found.kind.name());
            Err(Error::new(name, cause).hint("name the image on it with rootimg="))
        }
        found => devices::one_of(found, name, fstypes, "an image is squashfs, erofs or ext4"),
    }
}
