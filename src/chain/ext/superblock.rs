//! The superblock of an ext2, ext3 or ext4: where the inodes are, and whether GRUB reads the file system at all.

use crate::chain::region::Region;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// Where it is, and how many bytes of it are used (kernel, fs/ext4/ext4.h, `struct ext4_super_block`).
const AT: u64 = 1024;
const BYTES: usize = 1024;
const MAGIC: u16 = 0xEF53;
/// The smallest and the largest blocks: 1 KiB and 64 KiB (kernel, fs/ext4/ext4.h, `EXT4_MIN_BLOCK_LOG_SIZE` and
/// `EXT4_MAX_BLOCK_LOG_SIZE`).
const SMALLEST_LOG: u32 = 10;
const LARGEST_LOG: u32 = 16;
/// The longest descriptor of a group (`EXT4_MAX_DESC_SIZE`): as long as the smallest block.
const LONGEST_DESCRIPTOR: u16 = 1024;
/// The length of an inode in the first revision (`EXT4_GOOD_OLD_INODE_SIZE`), of which GRUB reads no more in any revision.
pub(super) const INODE: u64 = 128;

/// Features that a reader must know (`s_feature_incompat`): those that change where something is.
const META_BG: u32 = 0x10;
const IS_64BIT: u32 = 0x80;
/// The journal has changes that are not in their places yet.
const RECOVER: u32 = 0x04;
/// What GRUB reads, or need not know because it checks and writes nothing (grub-core/fs/ext2.c, `EXT2_DRIVER_SUPPORTED_INCOMPAT` and
/// `EXT2_DRIVER_IGNORED_INCOMPAT`, in 2.12 and in Debian 12's 2.06): filetype, recover, meta_bg, extents, 64bit, mmp, flex_bg,
/// metadata_csum_seed, large_dir, encrypt.
const READ: u32 = 0x02 | RECOVER | META_BG | 0x40 | IS_64BIT | 0x0100 | 0x0200 | 0x2000 | 0x4000 | 0x1_0000;
/// `s_feature_ro_compat`: only some groups have a copy of the superblock.
const SPARSE_SUPER: u32 = 0x01;

/// What is needed to find an inode.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    /// The length of a block in bytes, and its logarithm.
    pub(super) block: u64,
    log: u32,
    first_data_block: u64,
    blocks_per_group: u64,
    pub(super) inodes_per_group: u32,
    /// The length of an inode in bytes.
    inode: u64,
    /// The logarithm of the length of a group's descriptor.
    descriptor_log: u32,
    /// The first block of descriptors that are in their own groups. `None` without the feature.
    first_meta_group: Option<u64>,
    is_sparse: bool,
}

/// Whether the bytes from the start of a device are those of such a file system, however damaged.
pub(in crate::chain) fn is_likely(head: &[u8]) -> bool {
    Fields(head).u16_le(1024 + 0x38) == Some(MAGIC)
}

impl Superblock {
    /// Reads it. The checks are those of GRUB (grub-core/fs/ext2.c, `grub_ext2_mount`), and those that the kernel has for the same fields.
    pub(super) fn read(region: Region<'_>) -> Result<Self> {
        let bytes = region.head(AT, BYTES)?;
        let error = |cause: &str| Error::new("ext4", cause);
        let numbers = numbers(&Fields(&bytes)).ok_or_else(|| error("has no whole superblock"))?;
        if numbers.magic != MAGIC {
            return Err(error("has no superblock"));
        }
        let is_first_revision = numbers.revision == 0;
        let features = if is_first_revision { 0 } else { numbers.incompatible };
        let unread = features & !READ;
        if unread != 0 {
            let (name, hint) = (name(unread & unread.wrapping_neg()), "put /boot on a file system without it");
            return Err(Error::new("ext4", format_args!("GRUB does not read a file system with {name}")).hint(hint));
        }
        if features & RECOVER != 0 {
            return Err(error("its journal has changes that are not in their places: GRUB does not see them, and Linux writes them at its next boot")
                .hint("is it mounted, or was it not unmounted? Unmount it, or run e2fsck on it"));
        }
        let inode = if is_first_revision { INODE } else { numbers.inode.into() };
        let log = numbers.log.saturating_add(SMALLEST_LOG);
        if log > LARGEST_LOG || inode < INODE || inode > 1 << log {
            return Err(error("has blocks or inodes of an impossible size").hint("the file system is damaged"));
        }
        if numbers.inodes_per_group == 0 || numbers.blocks_per_group == 0 {
            return Err(error("has groups without blocks or inodes").hint("the file system is damaged"));
        }
        if log == SMALLEST_LOG && numbers.first_data_block == 0 {
            return Err(error("GRUB does not read a file system with bigalloc and blocks of 1024 bytes")
                .hint("put /boot on a file system with larger blocks"));
        }
        // GRUB takes a length that is no power of two, or a short one, for the usual one.
        let descriptor = numbers.descriptor;
        let is_longer = features & IS_64BIT != 0 && descriptor.is_power_of_two() && descriptor >= 32;
        if is_longer && descriptor > LONGEST_DESCRIPTOR {
            return Err(error("has descriptors of groups of an impossible size").hint("the file system is damaged"));
        }
        Ok(Self {
            block: 1 << log,
            log,
            first_data_block: numbers.first_data_block.into(),
            blocks_per_group: numbers.blocks_per_group.into(),
            inodes_per_group: numbers.inodes_per_group,
            inode,
            descriptor_log: if is_longer { descriptor.trailing_zeros() } else { 5 },
            first_meta_group: (features & META_BG != 0).then(|| numbers.first_meta_group.into()),
            is_sparse: numbers.compatible_to_read & SPARSE_SUPER != 0,
        })
    }

    /// Where the inode of this number is, from 1 (grub-core/fs/ext2.c, `grub_ext2_read_inode`).
    pub(super) fn place(&self, region: Region<'_>, number: u32) -> Result<u64> {
        let damaged = || Error::new(format_args!("inode {number}"), "has no place").hint("the file system is damaged");
        let index = number.checked_sub(1).ok_or_else(damaged)?;
        let at = self.descriptor(u64::from(index / self.inodes_per_group)).ok_or_else(damaged)?;
        let descriptor = region.read(at, 1 << self.descriptor_log)?;
        let fields = Fields(&descriptor);
        // `bg_inode_table_lo`; a longer descriptor also has `bg_inode_table_hi`.
        let (low, high) = (fields.u32_le(8), fields.u32_le(40).unwrap_or(0));
        let table = u64::from(high) << 32 | u64::from(low.ok_or_else(damaged)?);
        let index = u64::from(index % self.inodes_per_group);
        let (in_block, block) = (index % (self.block / self.inode), index / (self.block / self.inode));
        let start = table.checked_add(block).and_then(|block| block.checked_mul(self.block));
        start.and_then(|start| start.checked_add(in_block * self.inode)).ok_or_else(damaged)
    }

    /// Where the descriptor of a group is (`grub_ext2_blockgroup`).
    fn descriptor(&self, group: u64) -> Option<u64> {
        let offset = group << self.descriptor_log;
        let (mut block, within) = (offset >> self.log, offset & (self.block - 1));
        match self.first_meta_group {
            Some(first) if block >= first => {
                let first_group = block << (self.log - self.descriptor_log);
                block = first_group.checked_mul(self.blocks_per_group)?;
                // A copy of the superblock comes first; of the groups that begin a block of descriptors, only the first one has it.
                block = block.checked_add(u64::from(first_group == 0 || !self.is_sparse))?;
            }
            // Behind the superblock.
            _ => block += 1,
        }
        self.first_data_block.checked_add(block)?.checked_mul(self.block)?.checked_add(within)
    }
}

struct Numbers {
    magic: u16,
    revision: u32,
    log: u32,
    first_data_block: u32,
    blocks_per_group: u32,
    inodes_per_group: u32,
    inode: u16,
    incompatible: u32,
    compatible_to_read: u32,
    descriptor: u16,
    first_meta_group: u32,
}

fn numbers(fields: &Fields) -> Option<Numbers> {
    Some(Numbers {
        magic: fields.u16_le(0x38)?,
        revision: fields.u32_le(0x4C)?,
        log: fields.u32_le(0x18)?,
        first_data_block: fields.u32_le(0x14)?,
        blocks_per_group: fields.u32_le(0x20)?,
        inodes_per_group: fields.u32_le(0x28)?,
        inode: fields.u16_le(0x58)?,
        incompatible: fields.u32_le(0x60)?,
        compatible_to_read: fields.u32_le(0x64)?,
        descriptor: fields.u16_le(0xFE)?,
        first_meta_group: fields.u32_le(0x104)?,
    })
}

/// What mke2fs calls a feature (mke2fs(8), e2fsprogs' lib/e2p/feature.c).
fn name(feature: u32) -> String {
    match feature {
        0x01 => "compression".to_owned(),
        0x08 => "journal_dev".to_owned(),
        0x0400 => "ea_inode".to_owned(),
        0x1000 => "dirdata".to_owned(),
        0x8000 => "inline_data".to_owned(),
        0x2_0000 => "casefold".to_owned(),
        other => format!("the unknown feature {other:#x}"),
    }
}
