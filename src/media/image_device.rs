//! A block device that is the image: opening it, and the exact length of the image on it.

use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::media::image::{Content, Image, ImagePlace};
use crate::media::image_request::ImageRequest;
use crate::media::read_at::ReadAt;
use crate::media::superblock::{FileSystem, Superblock};
use crate::media::superblock_reader;
use crate::say;
use crate::sys::block_device;

/// mksquashfs pads the file with zeros to a multiple of this many bytes, unless it has -nopad (squashfs-tools,
/// mksquashfs.c). The superblock gives the length without the padding.
pub(crate) const SQUASHFS_PAD: u64 = 4096;

/// The length of an image on a device that has room for its padding; it may overflow only to `u64::MAX`, which no device
/// has.
#[must_use]
pub(crate) fn padded_length(superblock: &Superblock) -> u64 {
    match superblock.kind {
        FileSystem::Squashfs => superblock.bytes.checked_next_multiple_of(SQUASHFS_PAD).unwrap_or(u64::MAX),
        _ => superblock.bytes,
    }
}

/// Checks that only zeros are between the end of the file system and `end`, the end of what is measured. An image without
/// padding has what was on the device before it there: the PCR would be another one on each device, and no prediction could
/// know it.
///
/// # Errors
/// When there is another byte, or when the bytes cannot be read.
pub(crate) fn check_padding(file: &impl ReadAt, superblock: &Superblock, end: u64, name: &str) -> Result<()> {
    let Some(length) = end.checked_sub(superblock.bytes).filter(|&length| length < SQUASHFS_PAD) else { return Ok(()) };
    let mut padding = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut padding, superblock.bytes).about(name)?;
    if padding.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    let cause =
        format!("the {length} bytes behind its {} are not zeros, but would be measured", superblock.kind.name());
    Err(Error::new(name, cause)
        .hint("the image has no padding: pad it with `truncate --size=%4096`, and write it to the device again"))
}

/// The length of an image at the start of a device of `device_bytes`. It is the length of the image's file before that
/// was written to the device, so that `sha256sum` of the file hashes the same bytes. A squashfs without padding counts as
/// padded, if the device has room.
///
/// # Errors
/// When the device is shorter than its file system.
pub fn length_on_device(superblock: &Superblock, device_bytes: u64, name: &str) -> Result<u64> {
    let own = superblock.bytes;
    let padded = padded_length(superblock);
    match own {
        // A superblock with the length 0 is an error: otherwise nothing of the image would be measured.
        1.. if padded <= device_bytes => Ok(padded),
        1.. if own <= device_bytes => Ok(own),
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
        let (superblock, bytes) = plain(&file, &name, opened_bytes, request)?;
        say::info!("{name}: {} of {bytes} bytes on a device of {opened_bytes}", superblock.kind.name());
        (Content::Plain(superblock), bytes)
    };
    Ok(Image { file, place: ImagePlace::Device(node.to_owned()), content, bytes, opened_bytes })
}

/// The superblock of an image that was not prepared, and how many bytes of a device of `device_bytes` are measured.
///
/// # Errors
/// When no image is on it that the request allows.
pub(crate) fn plain(
    device: &impl ReadAt,
    name: &str,
    device_bytes: u64,
    request: ImageRequest,
) -> Result<(Superblock, u64)> {
    let superblock = superblock_reader::read_for_root(device, name, request.fstypes)?;
    request.flags.of(superblock.kind)?;
    let bytes = length_on_device(&superblock, device_bytes, name)?;
    check_padding(device, &superblock, bytes, name)?;
    Ok((superblock, bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn squashfs(bytes: u64) -> Superblock {
        Superblock { kind: FileSystem::Squashfs, bytes, block: 4096, label: None, uuid: None }
    }

    #[test]
    fn a_squashfs_is_measured_with_its_padding_if_the_device_has_room() {
        let table = [
            (1, 4096, Some(4096)),
            (5000, 8192, Some(8192)),
            (5000, 1 << 40, Some(8192)),
            (8192, 8192, Some(8192)),
            (8192, 1 << 40, Some(8192)),
            (5000, 8191, Some(5000)),
            (5000, 4999, None),
            (0, 4096, None),
            (u64::MAX, 4096, None),
            (u64::MAX - 1, u64::MAX - 1, Some(u64::MAX - 1)),
        ];
        for (own, device, measured) in table {
            assert_eq!(length_on_device(&squashfs(own), device, "x").ok(), measured, "{own} {device}");
        }
    }

    #[test]
    fn only_zeros_count_as_padding() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 5000], 0).unwrap();
        file.set_len(8192).unwrap();
        let check = |own, end| check_padding(&file, &squashfs(own), end, "x");
        check(5000, 8192).unwrap();
        check(5000, 5000).unwrap();
        assert!(
            check(4999, 8192).unwrap_err().to_string().contains("the 3193 bytes behind its squashfs are not zeros")
        );
        file.write_all_at(&[1], 8191).unwrap();
        assert!(check(5000, 8192).is_err());
        check(5000, 8191).unwrap();
        assert!(check(5000, 8193).is_err(), "the file ends before");
    }
}
