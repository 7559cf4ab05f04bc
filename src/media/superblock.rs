//! Superblocks: which file system is on a device, its length, label and UUID, from the device's first bytes.
//!
//! The bytes are hostile. Every number read here is bounded before it is used; the kernel reads them again when it
//! mounts.

use crate::cursor::Fields;
use crate::error::{Error, Result};

/// How many bytes from the start of a device [`probe`] needs: up to the end of ISO 9660's first volume descriptor.
pub const HEAD: usize = 34 * 1024;

/// A file system that this program can mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// SquashFS 4.
    Squashfs,
    /// EROFS.
    Erofs,
    /// ext2, ext3 and ext4: the ext4 driver mounts all of them.
    Ext4,
    /// ISO 9660: only for a medium, never for a root image.
    Iso9660,
    /// FAT12, FAT16 and FAT32: only for a medium.
    Vfat,
}

/// The properties of a file system that its superblock gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// The kind of file system.
    pub kind: FileSystem,
    /// Bytes from the start of the device to the end of the file system; 0 for media, because nothing needs it.
    pub bytes: u64,
    /// The size of its blocks in bytes: the kernel mounts it only from a device whose sectors are no larger. 4096, the largest
    /// sectors that a seal makes, if its driver has no such limit.
    pub block: u32,
    /// The label, if there is one.
    pub label: Option<String>,
    /// The UUID, as blkid prints it.
    pub uuid: Option<String>,
}

impl FileSystem {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Squashfs, Self::Erofs, Self::Ext4, Self::Iso9660, Self::Vfat];

    /// The kernel's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
            Self::Iso9660 => "iso9660",
            Self::Vfat => "vfat",
        }
    }

    /// Whether it can be the root: it stores owners, modes and its own length.
    #[must_use]
    pub fn is_image(self) -> bool {
        matches!(self, Self::Squashfs | Self::Erofs | Self::Ext4)
    }

    /// The one that `rootfstype=` calls by this name.
    pub(crate) fn called(name: &str) -> Option<Self> {
        let is = |kind: &Self| name == kind.name() || *kind == Self::Ext4 && matches!(name, "ext2" | "ext3");
        Self::ALL.into_iter().find(is)
    }
}

/// Finds the superblock in `head`: the first [`HEAD`] bytes of a device, or all of a smaller one.
///
/// # Errors
/// For a superblock that cannot be used: it is damaged, has an unknown version, or has content on other devices.
pub fn probe(head: &[u8]) -> Result<Option<Superblock>> {
    for read in [squashfs, erofs, ext4, iso9660, vfat] {
        if let Some(found) = read(&Fields(head)) {
            return found.map(Some);
        }
    }
    Ok(None)
}

/// What a reader of one kind of superblock gives: `None` if the bytes are of another kind, an error if they are of this kind but
/// cannot be used. After the magic, a missing field is an error: a `?` on it would say that the bytes are of another kind.
type Reading = Option<Result<Superblock>>;

/// Ends a reading whose magic was right but whose numbers are not.
#[allow(clippy::unnecessary_wraps)] // In the type that the readings end with.
fn bad(kind: FileSystem, cause: &str) -> Reading {
    Some(Err(Error::new(format_args!("{} superblock", kind.name()), cause)))
}

/// kernel, fs/squashfs/squashfs_fs.h: struct squashfs_super_block.
fn squashfs(head: &Fields) -> Reading {
    (head.u32_le(0)? == 0x7371_7368).then_some(())?;
    let (Some(4), Some(bytes)) = (head.u16_le(28), head.u64_le(40)) else {
        return bad(FileSystem::Squashfs, "not version 4.0");
    };
    Some(Ok(Superblock { kind: FileSystem::Squashfs, bytes, block: 4096, label: None, uuid: None }))
}

/// kernel, fs/erofs/erofs_fs.h: struct erofs_super_block at EROFS_SUPER_OFFSET.
fn erofs(head: &Fields) -> Reading {
    const AT: usize = 1024;
    const FEATURE_INCOMPAT_DEVICE_TABLE: u32 = 0x08;
    const FEATURE_INCOMPAT_48BIT: u32 = 0x80;
    (head.u32_le(AT)? == 0xe0f5_e1e2).then_some(())?;
    let (Some(features), Some(blocks), Some([bits])) = (head.u32_le(AT + 80), head.u32_le(AT + 36), head.at(AT + 12))
    else {
        return bad(FileSystem::Erofs, "cut short");
    };
    if features & FEATURE_INCOMPAT_DEVICE_TABLE != 0 || head.u16_le(AT + 86) != Some(0) {
        return bad(FileSystem::Erofs, "has content on further devices, which would not be measured");
    }
    if !(9..=16).contains(&bits) {
        return bad(FileSystem::Erofs, "has an impossible block size");
    }
    let high = if features & FEATURE_INCOMPAT_48BIT == 0 { Some(0) } else { head.u16_le(AT + 14) };
    let bytes = (u64::from(high?) << 32 | u64::from(blocks)) << bits;
    Some(Ok(Superblock {
        kind: FileSystem::Erofs,
        bytes,
        block: 1 << bits,
        label: head.text::<16>(AT + 64),
        uuid: head.uuid(AT + 48),
    }))
}

/// kernel, fs/ext4/ext4.h: struct ext4_super_block, 1024 bytes into the device.
fn ext4(head: &Fields) -> Reading {
    const AT: usize = 1024;
    const FEATURE_INCOMPAT_JOURNAL_DEV: u32 = 0x08;
    const FEATURE_INCOMPAT_64BIT: u32 = 0x80;
    (head.u16_le(AT + 0x38)? == 0xef53).then_some(())?;
    let fields = (head.u32_le(AT + 0x60), head.u32_le(AT + 0x04), head.u32_le(AT + 0x150), head.u32_le(AT + 0x18));
    let (Some(features), Some(low), Some(high), Some(log)) = fields else {
        return bad(FileSystem::Ext4, "cut short");
    };
    if features & FEATURE_INCOMPAT_JOURNAL_DEV != 0 {
        return bad(FileSystem::Ext4, "is the journal of another file system");
    }
    if log > 6 {
        return bad(FileSystem::Ext4, "has an impossible block size");
    }
    let high = if features & FEATURE_INCOMPAT_64BIT == 0 { 0 } else { u64::from(high) };
    match (high << 32 | u64::from(low)).checked_mul(1024 << log) {
        Some(bytes) => Some(Ok(Superblock {
            kind: FileSystem::Ext4,
            bytes,
            block: 1024 << log,
            label: head.text::<16>(AT + 0x78),
            uuid: head.uuid(AT + 0x68),
        })),
        None => bad(FileSystem::Ext4, "has an impossible number of blocks"),
    }
}

/// ECMA-119, section 8.4: the primary volume descriptor in sector 16. Its date stands in for a UUID, as in blkid.
fn iso9660(head: &Fields) -> Reading {
    const AT: usize = 16 * 2048;
    (&head.at::<6>(AT)? == b"\x01CD001").then_some(())?;
    let date = |offset: usize| {
        let digits =
            head.at::<16>(offset).filter(|d| d.iter().all(u8::is_ascii_digit) && d.iter().any(|&c| c != b'0'))?;
        let text = String::from_utf8_lossy(&digits).into_owned();
        Some([&text[..4], &text[4..6], &text[6..8], &text[8..10], &text[10..12], &text[12..14], &text[14..]].join("-"))
    };
    let uuid = date(AT + 830).or_else(|| date(AT + 813));
    Some(Ok(Superblock { kind: FileSystem::Iso9660, bytes: 0, block: 4096, label: head.text::<32>(AT + 40), uuid }))
}

/// Microsoft's FAT specification 1.03: the boot sector, whose layout differs between FAT32 and the smaller ones. The label is not in
/// it. Not every program writes the name of the kind, so the numbers are checked as in blkid (util-linux,
/// libblkid/src/superblocks/vfat.c: fat_valid_superblock).
fn vfat(head: &Fields) -> Reading {
    let sector = head.u16_le(11)?;
    let [cluster] = head.at(13)?;
    let [tables] = head.at(16)?;
    let [medium] = head.at(21)?;
    let numbers = matches!(sector, 512 | 1024 | 2048 | 4096) && cluster.is_power_of_two() && tables > 0;
    let is_fat = numbers && head.u16_le(14)? > 0 && (medium == 0xf0 || medium >= 0xf8) && head.at(510)? == [0x55, 0xaa];
    is_fat.then_some(())?;
    let serial = match (head.u16_le(22)?, head.u32_le(36)?) {
        (0, 0) => return None,
        (0, _) => head.u32_le(67)?,
        _ => head.u32_le(39)?,
    };
    Some(Ok(Superblock {
        kind: FileSystem::Vfat,
        bytes: 0,
        block: sector.into(),
        label: None,
        uuid: Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)).filter(|_| serial != 0),
    }))
}
