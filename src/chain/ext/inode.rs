//! An inode: what a file is, how long it is, and what says where its bytes are.

use super::superblock::INODE;
use crate::cursor::Fields;

/// Flags (kernel, fs/ext4/ext4.h, `EXT4_ENCRYPT_FL` and `EXT4_EXTENTS_FL`).
const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;

/// What a file is, for GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    /// A device, a pipe or a socket: GRUB does not open it.
    Other,
}

/// The bytes of `i_block`: the root of a tree of extents, the numbers of blocks, or a short link's target.
pub(super) const ROOT: usize = 60;

/// An inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) kind: Kind,
    pub(super) length: u64,
    pub(super) root: [u8; ROOT],
    pub(super) has_extents: bool,
    pub(super) is_encrypted: bool,
}

impl Inode {
    /// The one with these bytes (kernel, fs/ext4/ext4.h, `struct ext4_inode`). `None` if there are too few.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let fields = Fields(bytes.get(..usize::try_from(INODE).ok()?)?);
        let flags = fields.u32_le(32)?;
        // The upper four bits of the mode (include/uapi/linux/stat.h, `S_IFMT`).
        let kind = match fields.u16_le(0)? >> 12 {
            0o10 => Kind::File,
            0o04 => Kind::Folder,
            0o12 => Kind::Link,
            _ => Kind::Other,
        };
        Some(Self {
            kind,
            length: u64::from(fields.u32_le(108)?) << 32 | u64::from(fields.u32_le(4)?),
            root: fields.at(40)?,
            has_extents: flags & EXTENTS != 0,
            is_encrypted: flags & ENCRYPTED != 0,
        })
    }
}
