//! A block device that is the image: opening it, and the exact length of the image on it.

use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::media::image::{Content, Image, ImagePlace};
use crate::media::image_request::ImageRequest;
use crate::media::superblock::{FileSystem, Superblock};
use crate::media::superblock_reader;
use crate::sys::block_device;

/// mksquashfs pads the file to a multiple of this many bytes, unless it has -nopad. The superblock gives the length
/// without the padding.
const SQUASHFS_PAD: u64 = 4096;

/// The length of an image at the start of a device of `device_bytes`. It is the length of the image's file before that
/// was written to the device, so that `sha256sum` of the file hashes the same bytes.
///
/// # Errors
/// When the device is shorter than its file system.
pub fn length_on_device(superblock: &Superblock, device_bytes: u64, name: &str) -> Result<u64> {
    let own = superblock.bytes;
    let padded = own.checked_next_multiple_of(SQUASHFS_PAD).filter(|&bytes| bytes <= device_bytes);
    match padded {
        // A superblock with the length 0 is an error: otherwise nothing of the image would be measured.
        Some(padded) if superblock.kind == FileSystem::Squashfs && own > 0 => Ok(padded),
        _ if (1..=device_bytes).contains(&own) => Ok(own),
        _ => {
            let cause = format!("its {} has {own} bytes, the device has {device_bytes}", superblock.kind.name());
            Err(Error::new(name, cause).hint("was the image written to the device as a whole?"))
        }
    }
}

/// Opens a device that is the image.
///
/// # Errors
/// When no image is on it.
pub(crate) fn open(node: &Path, request: ImageRequest) -> Result<Image> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    let opened_bytes = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no size"))?;
    block_device::set_read_only(&file, &name)?;
    let (content, bytes) = if request.prepared {
        (Content::Prepared, opened_bytes)
    } else {
        let superblock = superblock_reader::read_for_root(&file, &name, request.fstypes)?;
        request.flags.of(superblock.kind)?;
        let bytes = length_on_device(&superblock, opened_bytes, &name)?;
        log::info!("{name}: {} of {bytes} bytes on a device of {opened_bytes}", superblock.kind.name());
        (Content::Plain(superblock), bytes)
    };
    Ok(Image { file, place: ImagePlace::Device(node.to_owned()), content, bytes, opened_bytes })
}
