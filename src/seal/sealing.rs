//! The bytes that were measured are the bytes that run: what the one pass over the image leaves behind, so that no later
//! read of the medium has to be believed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::cmdline::choice::Choice;
use crate::error::{Context, Error, Result};
use crate::hash::merkle;
use crate::hash::pass::Tee;
use crate::hash::tree_shape::{self, HASH_BLOCK, TreeHash, TreeShape};
use crate::media::image::{Content, Image, ImagePlace};
use crate::seal::choice::{PREPARED, SealChoice, SealKind};
use crate::seal::dm_verity::{self, OnCorrupt, Verity};
use crate::seal::prepared_tree::Tree;
use crate::sys::loop_device;
use crate::sys::random::{self, random};

/// A seal in the making: the tee of the pass.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // There is one of it.
pub enum Sealing {
    /// The tree grows in a memory file.
    Verity(merkle::TreeBuilder),
    /// There is a tree already.
    Prepared(Tree),
    /// The copy grows in a memory file.
    Ram {
        /// The copy.
        memory: File,
        /// How much of it is there.
        written: u64,
    },
    /// Nothing is kept.
    None,
}

/// What can be mounted in place of the medium, as far as it can.
#[derive(Debug)]
pub enum Sealed {
    /// The tree's memory file, sealed, and what dm-verity must know.
    Verity(File, TreeShape, TreeHash),
    /// The tree on a device.
    Prepared(Tree),
    /// The copy, sealed.
    Ram(File),
    /// Nothing.
    None,
}

impl Sealing {
    /// Begins the seal of an image of `bytes` bytes, whose file system has blocks of `block` bytes.
    ///
    /// # Errors
    /// When there is no memory file or no randomness to be had.
    pub fn begin(kind: SealKind, bytes: u64, block: u32) -> Result<Self> {
        match kind {
            SealKind::None => Ok(Self::None),
            SealKind::Ram => Ok(Self::Ram { memory: memory_file("image")?, written: 0 }),
            SealKind::Verity => {
                let block = tree_shape::largest_data_block(bytes, block)
                    .ok_or_else(|| Error::new("image", "no whole number of blocks"))?;
                let salt = random(random::PATIENCE)?.to_vec();
                let data_blocks = bytes / u64::from(block);
                let shape = TreeShape { data_block: block, data_blocks, hash_block: HASH_BLOCK, salt };
                Ok(Self::Verity(merkle::TreeBuilder::new(memory_file("tree")?, shape)))
            }
        }
    }

    /// Its name in the event log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verity(_) => SealChoice::Verity.name(),
            Self::Prepared(_) => PREPARED,
            Self::Ram { .. } => SealChoice::Ram.name(),
            Self::None => SealChoice::None.name(),
        }
    }

    /// The tee of the pass over the image.
    pub fn tee(&mut self) -> Option<&mut dyn Tee> {
        match self {
            Self::None | Self::Prepared(_) => None,
            sealing => Some(sealing),
        }
    }

    /// Closes the seal: from here on nobody can change what was kept.
    ///
    /// # Errors
    /// When not all of the image came, or the memory file cannot be sealed.
    pub fn finish(self) -> Result<Sealed> {
        match self {
            Self::None => Ok(Sealed::None),
            Self::Ram { memory, written } => {
                memory.set_len(written.next_multiple_of(PAGE)).about("copy of the image")?;
                Ok(Sealed::Ram(close(memory, "copy of the image")?))
            }
            Self::Prepared(tree) => Ok(Sealed::Prepared(tree)),
            Self::Verity(tree) => {
                let (tree, shape, root_hash) = tree.finish()?;
                Ok(Sealed::Verity(close(tree, "Merkle tree")?, shape, root_hash))
            }
        }
    }
}

impl Tee for Sealing {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::None | Self::Prepared(_) => Ok(()),
            Self::Verity(tree) => tree.update(bytes),
            Self::Ram { memory, written } => {
                memory.write_all_at(bytes, *written).about("copy of the image")?;
                *written += bytes.len() as u64;
                Ok(())
            }
        }
    }
}

impl Sealed {
    /// Its name in status.json.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verity(..) => SealChoice::Verity.name(),
            Self::Prepared(_) => PREPARED,
            Self::Ram(_) => SealChoice::Ram.name(),
            Self::None => SealChoice::None.name(),
        }
    }

    /// The block device to mount as the root. `devices` are held until the mount is.
    ///
    /// # Errors
    /// When a device cannot be made.
    pub fn device(&self, image: &Image, on_corrupt: OnCorrupt, devices: &mut Vec<File>) -> Result<PathBuf> {
        match self {
            Self::None => image_device(image, devices),
            Self::Ram(memory) => {
                let length = memory.metadata().about("copy of the image")?.len();
                looped(memory, length, devices)
            }
            Self::Verity(tree, shape, root_hash) => {
                let data = image_device(image, devices)?;
                let length = tree.metadata().about("Merkle tree")?.len();
                let (tree, shape) = (looped(tree, length, devices)?, shape.clone());
                let verity = Verity { data, tree, tree_start: 0, shape, root_hash: *root_hash, on_corrupt };
                dm_verity::create_verity("measureroot", &verity)
            }
            Self::Prepared(Tree { node, start, shape, root_hash }) => {
                let data = image_device(image, devices)?;
                let (tree, shape) = (node.clone().unwrap_or_else(|| data.clone()), shape.clone());
                let verity = Verity { data, tree, tree_start: *start, shape, root_hash: *root_hash, on_corrupt };
                dm_verity::create_verity("measureroot", &verity)
            }
        }
    }
}

/// What the copy is filled up to, so that a loop device has it in whole sectors of any size.
const PAGE: u64 = 4096;

/// What a loop device's size counts in (kernel, drivers/block/loop.c: it is shifted by SECTOR_SHIFT).
const SECTOR: u64 = loop_device::SECTOR as u64;

/// The medium's own device, or a loop device of the very file that was hashed.
fn image_device(image: &Image, devices: &mut Vec<File>) -> Result<PathBuf> {
    if let ImagePlace::Device(node) = &image.place {
        return Ok(node.clone());
    }
    // The length of a prepared image does not count: its tree says how many blocks it has.
    if matches!(image.content, Content::Plain(_)) && !image.bytes.is_multiple_of(SECTOR) {
        let cause = format!("{} bytes are no whole number of {SECTOR}-byte sectors", image.bytes);
        return Err(Error::new(image, cause).hint("a loop device would cut the end off: use measureroot.seal=ram"));
    }
    looped(&image.file, image.bytes, devices)
}

fn looped(file: &File, bytes: u64, devices: &mut Vec<File>) -> Result<PathBuf> {
    let (node, device) = loop_device::create(file, bytes)?;
    devices.push(device);
    Ok(node)
}

/// A file in memory that can be sealed.
///
/// # Errors
/// When the kernel has none.
pub fn memory_file(name: &str) -> Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(name, flags).map(File::from).about_hint("memory file", "is CONFIG_MEMFD_CREATE set?")
}

/// Nobody can write to it any more, by whatever name he finds it.
fn close(file: File, name: &str) -> Result<File> {
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).about(name)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_what_came_and_cannot_be_written() {
        let image = vec![7; 10_000];
        let mut sealing = Sealing::begin(SealKind::Ram, image.len() as u64, 4096).unwrap();
        sealing.tee().unwrap().take(&image).unwrap();
        let Sealed::Ram(copy) = sealing.finish().unwrap() else { panic!("another seal") };
        let mut bytes = vec![1; 12_288];
        copy.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..10_000] == image && bytes[10_000..].iter().all(|&byte| byte == 0));
        assert!(copy.write_all_at(&[1], 0).is_err() && copy.set_len(1).is_err());
        assert!(Sealing::begin(SealKind::Verity, 8192, 4096).unwrap().finish().is_err(), "nothing came");
    }
}
