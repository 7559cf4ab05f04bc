//! The root image: finding it, and its exact length.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::media::devices;
use crate::media::superblock::{FileSystem, Superblock};
use crate::sys::block_device;

/// An image that was found: the open file is what is hashed, and what is mounted.
#[derive(Debug)]
pub struct Image {
    /// The device or file, open for reading.
    pub file: File,
    /// The block device it is or lies on.
    pub device: PathBuf,
    /// Where it lies on the device's file system, when it is a file there.
    pub path: Option<String>,
    /// Whether the device was named or searched for.
    pub searched: bool,
    /// What its file system says of itself; `None` where it is prepared, for then nothing of it is read before the kernel
    /// checks it.
    pub superblock: Option<Superblock>,
    /// Its length in bytes: the file's, or the file system's own on a device; all of a device that is prepared.
    pub bytes: u64,
    /// Bytes of the device or file when it was opened; it must have as many when it has been hashed.
    pub opened_bytes: u64,
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "/{path} on {}", self.device.display()),
            None => write!(f, "{}", self.device.display()),
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
pub fn on_device(node: &Path, config: &Config) -> Result<Image> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    let device_bytes = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no size"))?;
    let mut image = Image {
        file,
        device: node.to_owned(),
        path: None,
        searched: false,
        superblock: None,
        bytes: device_bytes,
        opened_bytes: device_bytes,
    };
    block_device::set_read_only(&image.file, &name)?;
    if config.roothash.is_none() {
        let superblock = image_superblock(&image.file, &name, &config.fstypes)?;
        image.bytes = length_on_device(&superblock, device_bytes, &name)?;
        log::info!("{name}: {} of {} bytes on a device of {device_bytes}", superblock.kind.name(), image.bytes);
        image.superblock = Some(superblock);
    }
    Ok(image)
}

/// Opens the file `path` below the mounted medium `top`; `None` when it has no such file.
///
/// # Errors
/// When there is one that is no image, or that lies elsewhere than on the medium.
pub fn on_medium(top: &Path, path: &str, node: &Path, config: &Config) -> Result<Option<Image>> {
    let name = format!("/{path} on {}", node.display());
    let folder = File::open(top).about(top.display())?;
    // The medium's file system is hostile: a link in it may name any file of ours. This also keeps to its one mount.
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
    let superblock = if config.roothash.is_some() { None } else { Some(file_superblock(&file, &name, bytes)?) };
    Ok(Some(Image {
        file,
        device: node.to_owned(),
        path: Some(path.to_owned()),
        searched: false,
        superblock,
        bytes,
        opened_bytes: bytes,
    }))
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
