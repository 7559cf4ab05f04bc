//! An image that was prepared with veritysetup: its Merkle tree lies on a device, and the command line gives the root hash.
//!
//! The superblock in front of the tree (cryptsetup, lib/verity/verity.c: struct `verity_sb`) is not trusted. The root hash
//! protects each field that matters:
//!
//! * Block sizes and salt: hash blocks and data blocks are powers of two from 512, and the salt has at most 256 bytes. So these
//!   fields cannot change unless the text that was hashed changes too.
//! * Number of blocks: if the superblock gives fewer than there are, the file system is cut short. That is found when it is
//!   read through dm-verity.
//! * Levels: with fewer levels, digests would be presented as data. Digests hold no file system.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cursor::Fields;
use crate::error::{Context, Error, Result};
use crate::hash::tree_shape::{TreeHash, TreeShape};
use crate::media::image::{Image, ImagePlace};
use crate::media::superblock::{FileSystem, Superblock};
use crate::media::superblock_reader;
use crate::say;
use crate::seal::prepared_root_hash::RootHash;
use crate::sys::block_device;

/// A Merkle tree on a device. dm-verity reads it from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The device; `None` if the tree is on the image's own device or in its file.
    pub node: Option<PathBuf>,
    /// Where the tree begins, in blocks of the tree.
    pub start: u64,
    /// The shape that the superblock gives.
    pub shape: TreeShape,
    /// The root hash on the command line.
    pub root_hash: TreeHash,
    /// The UUID in the superblock. It only names the device.
    pub uuid: [u8; 16],
}

/// What the superblock of a tree tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Where the tree begins, in blocks of the tree.
    pub start: u64,
    /// The shape of the tree.
    pub shape: TreeShape,
    /// The UUID of the tree.
    pub uuid: [u8; 16],
}

/// Bytes of the superblock. The tree begins at the next block after it.
const SUPERBLOCK: u64 = 512;

/// Block sizes in bytes. The largest that dm-verity accepts is a page (kernel, drivers/md/dm-verity-target.c, `verity_ctr`).
const BLOCKS: std::ops::RangeInclusive<u32> = 512..=4096;

/// The offset of the UUID in the superblock, in bytes.
const UUID: usize = 16;

/// Bytes of the salt field.
const SALT: usize = 256;

/// Finds the tree of `image`: on the device at `node`, or after the data on the image's own device or in its file.
///
/// # Errors
/// Those of [`read`], when the device cannot be opened, or when its sectors are larger than the blocks.
pub(crate) fn find_tree(image: &Image, node: Option<&Path>, roothash: &RootHash) -> Result<Tree> {
    let location = TreeLocation { offset: roothash.offset, data_bytes: image.bytes };
    let TreeHead { start, shape, uuid } = match node {
        None => read(&image.file, &image.to_string(), location)?,
        Some(node) => {
            let name = node.display().to_string();
            let file = block_device::open(node).about(&name)?;
            block_device::set_read_only(&file, &name)?;
            let head = read(&file, &name, location)?;
            suits_sectors(&file, &name, head.shape.hash_block)?;
            head
        }
    };
    if matches!(image.place, ImagePlace::Device(_)) {
        suits_sectors(&image.file, &image.to_string(), shape.data_block)?;
    }
    let place = node.map_or_else(|| image.to_string(), |node| node.display().to_string());
    say::info!(
        "{image}: the Merkle tree of its {} bytes is on {place} at byte {}",
        shape.data_bytes(),
        roothash.offset
    );
    Ok(Tree { node: node.map(Path::to_owned), start, shape, root_hash: roothash.hash, uuid })
}

/// Checks a block size: the kernel refuses blocks smaller than the device's sectors (drivers/md/dm-verity-target.c: "Invalid data device block
/// size").
fn suits_sectors(device: &File, name: &str, block: u16) -> Result<()> {
    let sector = block_device::sector_size(device, name)?;
    if u32::from(block) >= sector {
        return Ok(());
    }
    let cause = format!("its sectors have {sector} bytes, but the tree's blocks have {block}");
    Err(Error::new(name, cause)
        .hint(format_args!("veritysetup format --data-block-size={sector} --hash-block-size={sector}")))
}

/// Where a tree's superblock is, and the data that the tree must fit.
#[derive(Debug, Clone, Copy)]
pub struct TreeLocation {
    /// Where the superblock begins, in bytes.
    pub offset: u64,
    /// The length of the image, in bytes.
    pub data_bytes: u64,
}

/// Reads the superblock of a tree in `file`, which errors call `name`. Checks the place and the shape of the tree against the
/// length of the image and of `file`.
///
/// # Errors
/// When there is no superblock, or when it cannot be used.
pub fn read(file: &File, name: &str, location: TreeLocation) -> Result<TreeHead> {
    let TreeLocation { offset, data_bytes } = location;
    let mut head = [0; 512];
    file.read_exact_at(&mut head, offset).about_hint(
        format_args!("{name} at byte {offset}"),
        "is the Merkle tree there? measureroot.hashdev= and measureroot.hashoffset= name it",
    )?;
    let shape = parse(&head).map_err(|error| error.on(name))?;
    if shape.data_bytes() > data_bytes {
        let cause = format!("its tree covers {} bytes of data, but the image has {data_bytes}", shape.data_bytes());
        return Err(Error::new(name, cause).hint("was the image cut short, or is this the tree of another image?"));
    }
    let block = u64::from(shape.hash_block);
    let start = (offset.saturating_add(SUPERBLOCK)).div_ceil(block);
    let end = start.saturating_mul(block).saturating_add(shape.tree_bytes());
    match block_device::size(file) {
        Some(bytes) if end <= bytes => {
            let uuid = Fields(&head).at(UUID).ok_or_else(|| Error::new(name, "its superblock is cut short"))?;
            Ok(TreeHead { start, shape, uuid })
        }
        bytes => {
            let cause = format!("its tree ends at byte {end}, but the device ends at {}", bytes.unwrap_or(0));
            Err(Error::new(name, cause).hint("was it cut short?"))
        }
    }
}

fn parse(head: &[u8; 512]) -> Result<TreeShape> {
    let bad = |cause: String| Err(Error::new("verity superblock", cause).hint("veritysetup format writes it"));
    let head = Fields(head);
    let fields = (
        head.at(0),
        head.u32_le(8),
        head.u32_le(12),
        head.u32_le(64),
        head.u32_le(68),
        head.u64_le(72),
        head.u16_le(80),
    );
    let (Some(magic), Some(version), Some(kind), Some(data), Some(hash), Some(data_blocks), Some(salt)) = fields else {
        return bad("cut short".to_owned());
    };
    if &magic != b"verity\0\0" {
        return bad("there is none".to_owned());
    }
    if (version, kind) != (1, 1) {
        return bad(format!("version {version}, hash type {kind}; only 1 and 1 are known"));
    }
    match head.text::<32>(32).as_deref() {
        Some("sha256") => {}
        other => return bad(format!("its hash is {}; only sha256 is known", other.unwrap_or("not named"))),
    }
    let size = |bytes: u32| u16::try_from(bytes).ok().filter(|_| BLOCKS.contains(&bytes) && bytes.is_power_of_two());
    let (Some(data_block), Some(hash_block)) = (size(data), size(hash)) else {
        return bad(format!("blocks of {data} and {hash} bytes; powers of two from 512 to 4096 are possible"));
    };
    if data_blocks == 0 || data_blocks.checked_mul(data.into()).is_none() {
        return bad(format!("{data_blocks} blocks of data"));
    }
    match head.at::<SALT>(88).as_ref().and_then(|field| field.get(..salt.into())) {
        Some(salt) => Ok(TreeShape { data_block, data_blocks, hash_block, salt: salt.to_vec() }),
        None => bad(format!("a salt of {salt} bytes; at most {SALT} are possible")),
    }
}

/// Reads the superblock of the file system on the verity device at `node`. No byte of a prepared image is read before this.
///
/// # Errors
/// When the image does not match the root hash, holds no file system that can be the root, or does not match its tree.
pub(crate) fn file_system(node: &Path, shape: &TreeShape, fstypes: &[FileSystem]) -> Result<Superblock> {
    let name = node.display().to_string();
    check_file_system(&File::open(node).about(&name)?, &name, shape, fstypes)
}

/// The same for an open image, whose bytes match the tree.
///
/// # Errors
/// As for [`file_system`].
pub(crate) fn check_file_system(
    file: &File,
    name: &str,
    shape: &TreeShape,
    fstypes: &[FileSystem],
) -> Result<Superblock> {
    let found = superblock_reader::read_for_root(file, name, fstypes)
        .map_err(|error| error.hint_if_none("do the image, its Merkle tree and roothash= belong together?"))?;
    if found.bytes > shape.data_bytes() {
        let cause =
            format!("its {} has {} bytes, but its tree covers {}", found.kind.name(), found.bytes, shape.data_bytes());
        return Err(Error::new(name, cause).hint("was the tree made for an image that was cut short?"));
    }
    if found.block < shape.data_block.into() {
        let cause = format!(
            "its {} has blocks of {} bytes, smaller than the tree's data blocks",
            found.kind.name(),
            found.block
        );
        return Err(Error::new(name, cause).hint(format_args!("veritysetup format --data-block-size={}", found.block)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A superblock as veritysetup writes it: 40 blocks of 4096 bytes, and a salt of 2 bytes.
    fn head() -> [u8; 512] {
        let mut head = [0; 512];
        head[..8].copy_from_slice(b"verity\0\0");
        (head[8], head[12]) = (1, 1);
        head[32..38].copy_from_slice(b"sha256");
        (head[65], head[69], head[72], head[80]) = (16, 16, 40, 2);
        (head[88], head[89]) = (0xaa, 0xbb);
        head
    }

    #[test]
    fn a_superblock_is_read_and_each_wrong_field_is_refused() {
        let shape = TreeShape { data_block: 4096, data_blocks: 40, hash_block: 4096, salt: vec![0xaa, 0xbb] };
        assert_eq!(parse(&head()).unwrap(), shape);
        let table: [(usize, u8, &str); 12] = [
            (0, 0, "none"),
            (6, 1, "none"),
            (8, 2, "version 2"),
            (12, 0, "hash type 0"),
            (33, b'x', "sxa256"),
            (32, 0, "not named"),
            (65, 32, "blocks of 8192"),
            (65, 1, "blocks of 256"),
            (69, 24, "and 6144"),
            (72, 0, "0 blocks"),
            (79, 0xff, "blocks of data"),
            (81, 2, "a salt of 514"),
        ];
        for (at, byte, cause) in table {
            let mut head = head();
            head[at] = byte;
            let error = parse(&head).unwrap_err().to_string();
            assert!(error.contains(cause), "{at}: {error}");
        }
    }

    #[test]
    fn a_tree_must_fit_the_image_and_the_device() {
        let file = |bytes: u64| {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&head(), 1024).unwrap();
            file.set_len(bytes).unwrap();
            file
        };
        let data = 40 * 4096;
        let tree = |bytes: u64, offset, data_bytes| read(&file(bytes), "tree", TreeLocation { offset, data_bytes });
        // The tree has one block, after the block with the superblock.
        assert_eq!(tree(8192, 1024, data).unwrap().start, 1);
        assert!(tree(8191, 1024, data).unwrap_err().to_string().contains("ends at byte 8192"));
        assert!(tree(8192, 1024, data - 1).unwrap_err().to_string().contains("163840 bytes of data"));
        assert!(tree(8192, 0, data).unwrap_err().to_string().contains("there is none"));
        for offset in [7681, 8192, 1 << 40, u64::MAX - 511] {
            assert!(tree(8192, offset, data).is_err(), "{offset}");
        }
    }
}
