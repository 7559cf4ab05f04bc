//! The memory disk in an image: a tar archive, as grub-mkstandalone makes it, or a FAT, as in the images that Debian signs
//! (grub2, debian/build-efi-images).

use std::borrow::Cow;

use super::stop::{Run, Stop};
use super::tar;
use crate::chain::fat::Fat;
use crate::chain::region::Region;
use crate::chain::volume::{PROGRAM, Volume};
use crate::error::Error;

/// How a squashfs begins (Linux, include/uapi/linux/magic.h, `SQUASHFS_MAGIC`).
const SQUASHFS: &[u8] = b"hsqs";
/// The font that Debian puts into the image.
pub(super) const FONT: &str = "unicode";

/// The bytes of a file in it. `None` if it is not there, or if there is no memory disk.
pub(super) fn file<'a>(disk: &'a Vec<u8>, path: &str) -> Run<Option<Cow<'a, [u8]>>> {
    if disk.is_empty() {
        return Ok(None);
    }
    if tar::is_archive(disk) {
        return Ok(tar::file(disk, path).map(Cow::Borrowed));
    }
    let bytes = fat(disk)?.read(path, PROGRAM).map_err(|error| stop(&error))?;
    Ok(bytes.map(Cow::Owned))
}

/// Whether it is the one of Debian 13's signed image, a squashfs whose only file is the font `unicode` (grub2 2.12,
/// debian/build-efi-images).
pub(super) fn is_of_a_font(disk: &[u8]) -> bool {
    disk.starts_with(SQUASHFS)
}

/// Whether there is a folder with this path.
pub(super) fn has_folder(disk: &Vec<u8>, path: &str) -> Run<bool> {
    match disk.as_slice() {
        [] => Ok(false),
        archive if tar::is_archive(archive) => Ok(tar::has_folder(archive, path)),
        _ => fat(disk)?.has_folder(path).map_err(|error| stop(&error)),
    }
}

fn fat(disk: &Vec<u8>) -> Run<Fat<'_>> {
    if !Fat::is_likely(disk) {
        return Err(Stop::new("the memory disk in GRUB is neither a tar archive nor a FAT"));
    }
    Fat::open(Region::whole(disk, disk.len() as u64)).map_err(|error| stop(&error))
}

fn stop(error: &Error) -> Stop {
    Stop::new(format!("the memory disk in GRUB: {error}"))
}
