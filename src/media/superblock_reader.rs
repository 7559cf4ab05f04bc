//! Reads superblocks from devices and files, and checks that they are of the file systems that are wanted.

use std::io::ErrorKind;

use crate::error::{Error, Result};
use crate::media::fat_label;
use crate::media::read_at::ReadAt;
use crate::media::superblock::{self, FileSystem, HEAD, Superblock};

/// The hint if a device or file cannot be the root.
const IMAGE: &str = "an image is squashfs, erofs or ext4: not a disk with partitions, not a .gz, .xz or .zst; \
                     if it is a file on the device of root=, rootimg= names it";
/// The hint if a device cannot be a medium.
pub(crate) const MEDIUM: &str = "a medium is vfat, iso9660, ext4, squashfs or erofs";

/// Reads the superblock of an open device or file, which errors call `name`; `None` if no known file system is on it.
///
/// # Errors
/// When the bytes cannot be read, or the superblock cannot be used.
pub fn read(file: &impl ReadAt, name: &str) -> Result<Option<Superblock>> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::new(name, error)),
        }
    }
    let mut found = superblock::probe(&head[..filled]).map_err(|error| error.on(name))?;
    if let Some(vfat) = found.as_mut().filter(|found| found.kind == FileSystem::Vfat) {
        vfat.label = fat_label::read(file, &head);
    }
    Ok(found)
}

/// Reads the superblock of a file system that will be the root. An empty list of `fstypes` allows every one that can be
/// a root.
///
/// # Errors
/// When there is none, when it cannot be a root, and when `fstypes` does not list it.
pub(crate) fn read_for_root(file: &impl ReadAt, name: &str, fstypes: &[FileSystem]) -> Result<Superblock> {
    match read(file, name)? {
        Some(found) if !found.kind.is_image() => {
            let cause = format!("{} is a file system for a medium, not for a root image", found.kind.name());
            Err(Error::new(name, cause).hint(IMAGE))
        }
        found => require(found, name, fstypes, IMAGE),
    }
}

/// Reads the superblock of a medium that holds the image as a file. An empty list of `fstypes` allows every known one.
///
/// # Errors
/// When there is none, and when `fstypes` does not list it.
pub(crate) fn read_for_medium(file: &impl ReadAt, name: &str, fstypes: &[FileSystem]) -> Result<Superblock> {
    require(read(file, name)?, name, fstypes, MEDIUM)
}

/// Checks a superblock against the list of `rootfstype=`. `known` is the hint if there is no superblock.
fn require(found: Option<Superblock>, name: &str, fstypes: &[FileSystem], known: &str) -> Result<Superblock> {
    match found {
        Some(found) if fstypes.is_empty() || fstypes.contains(&found.kind) => Ok(found),
        Some(found) => {
            let types: Vec<_> = fstypes.iter().map(|kind| kind.name()).collect();
            Err(Error::new(name, format_args!("is {}, but rootfstype={}", found.kind.name(), types.join(",")))
                .hint("rootfstype= is about the device of root=, which is the medium if there is rootimg="))
        }
        None => Err(Error::new(name, "no known file system is on it").hint(known)),
    }
}
