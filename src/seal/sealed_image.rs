//! The image after the measurement, protected by its seal, and the device to mount it from.

use std::fs::File;
use std::path::PathBuf;

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::TreeHash;
use crate::hash::tree_shape::TreeShape;
use crate::media::image::{Content, Image, ImagePlace};
use crate::seal::choice::{PREPARED, SealChoice};
use crate::seal::dm_verity::{OnCorrupt, VerityTarget};
use crate::seal::prepared_tree::Tree;
use crate::seal::verity_device::{self, VerityName};
use crate::sys::{block_device, loop_device};

/// What protects the measured bytes from now on. It is mounted in place of the medium.
#[derive(Debug)]
pub enum SealedImage {
    /// The Merkle tree in a sealed memory file, and what dm-verity must know about it.
    Verity(File, TreeShape, TreeHash),
    /// The Merkle tree on a device.
    Prepared(Tree),
    /// The copy of the image in memory.
    Ram(File),
    /// Nothing: later reads of the medium are not checked.
    None,
}

impl SealedImage {
    /// The name of the seal in status.json.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Verity(..) => SealChoice::Verity.name(),
            Self::Prepared(_) => PREPARED,
            Self::Ram(_) => SealChoice::Ram.name(),
            Self::None => SealChoice::None.name(),
        }
    }

    /// The block device to mount as the root. The loop devices that this takes are added to `devices`; keep them open until the
    /// mount uses them.
    ///
    /// # Errors
    /// When a device cannot be created.
    pub(crate) fn device(&self, image: &Image, on_corrupt: OnCorrupt, devices: &mut Vec<File>) -> Result<PathBuf> {
        match self {
            Self::None => measured_device(image, devices),
            Self::Ram(memory) => {
                let length = memory.metadata().about("copy of the image")?.len();
                loop_device_on(memory, length, devices)
            }
            Self::Verity(tree, shape, root_hash) => {
                let data = image_device(image, devices)?;
                let length = tree.metadata().about("Merkle tree")?.len();
                let (tree, shape) = (loop_device_on(tree, length, devices)?, shape.clone());
                let target = VerityTarget { data, tree, tree_start: 0, shape, root_hash: *root_hash, on_corrupt };
                verity_device::create(&VerityName::own(), &target)
            }
            Self::Prepared(Tree { node, start, shape, root_hash, uuid }) => {
                let data = image_device(image, devices)?;
                let (tree, shape) = (node.clone().unwrap_or_else(|| data.clone()), shape.clone());
                let target = VerityTarget { data, tree, tree_start: *start, shape, root_hash: *root_hash, on_corrupt };
                verity_device::create(&VerityName::of_systemd(*uuid), &target)
            }
        }
    }
}

/// The unit of a loop device's size, in bytes (kernel, drivers/block/loop.c: it is shifted by SECTOR_SHIFT).
const SECTOR: u64 = loop_device::SECTOR as u64;

/// The device that dm-verity checks: the medium's own, or a loop device on the open file that was hashed.
fn image_device(image: &Image, devices: &mut Vec<File>) -> Result<PathBuf> {
    match &image.place {
        ImagePlace::Device(node) => Ok(node.clone()),
        ImagePlace::File { .. } => exact_device(image, &image.file, devices),
    }
}

/// A device that ends where the measured bytes end. No seal checks what is read from it, but neither a mount option nor a
/// number in the file system can lead to another file system that lies behind the image.
fn measured_device(image: &Image, devices: &mut Vec<File>) -> Result<PathBuf> {
    match &image.place {
        ImagePlace::Device(_) => {
            let claimed = block_device::claim(&image.file, &image.to_string())?;
            exact_device(image, &claimed, devices)
        }
        ImagePlace::File { .. } => exact_device(image, &image.file, devices),
    }
}

/// A loop device of the image's length on the open `file`.
fn exact_device(image: &Image, file: &File, devices: &mut Vec<File>) -> Result<PathBuf> {
    // The length of a prepared image does not matter: its tree gives the number of its blocks.
    if matches!(image.content, Content::Plain(_)) && !image.bytes.is_multiple_of(SECTOR) {
        let cause = format!("{} bytes are not a whole number of {SECTOR}-byte sectors", image.bytes);
        return Err(Error::new(image, cause)
            .hint("a loop device would cut off the end: pad the image with zeros, or use measureroot.seal=ram"));
    }
    loop_device_on(file, image.bytes, devices)
}

fn loop_device_on(file: &File, bytes: u64, devices: &mut Vec<File>) -> Result<PathBuf> {
    let (node, device) = loop_device::create(file, bytes)?;
    devices.push(device);
    Ok(node)
}
