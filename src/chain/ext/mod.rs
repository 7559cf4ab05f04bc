//! ext2, ext3 and ext4, read as GRUB reads them (grub-core/fs/ext2.c): without the journal, without check sums, without the index of a
//! folder. What GRUB would read otherwise than Linux is an error: a journal that was not replayed, blocks that were not written.
//!
//! The `superblock` says where the inodes are, an `inode` what a file is, `blocks` where its bytes are, and a `folder` has names.
//! The crates for ext4 replay the journal, follow other links than GRUB, know other features, and trust the numbers of groups.

mod blocks;
mod folder;
mod inode;
mod path;
mod superblock;

use super::region::Region;
use super::volume::Volume;
use crate::error::{Error, Result};

use self::folder::Entry;
use self::inode::{Inode, Kind, ROOT};
use self::superblock::{INODE, Superblock};

pub(super) use superblock::is_likely;

/// The inode of the root folder (kernel, fs/ext4/ext4.h, `EXT4_ROOT_INO`).
const ROOT_INODE: u32 = 2;
/// The most bytes of a folder that are read: 4 MiB is some 100,000 files.
const LONGEST_FOLDER: u64 = 4 << 20;
/// The longest target of a link (kernel, include/uapi/linux/limits.h, `PATH_MAX`).
const LONGEST_LINK: u64 = 4096;

/// A file system.
pub(super) struct Ext<'a> {
    region: Region<'a>,
    superblock: Superblock,
}

impl<'a> Ext<'a> {
    /// Opens a file system.
    ///
    /// # Errors
    /// If GRUB would not read it, or otherwise than Linux.
    pub(super) fn open(region: Region<'a>) -> Result<Self> {
        let found = Self { region, superblock: Superblock::read(region)? };
        found.inode(ROOT_INODE)?;
        Ok(found)
    }

    fn inode(&self, number: u32) -> Result<Inode> {
        let at = self.superblock.place(self.region, number)?;
        let bytes = self.region.read(at, usize::try_from(INODE).unwrap_or(usize::MAX))?;
        Inode::of(&bytes).ok_or_else(|| Error::new(format_args!("inode {number}"), "is cut"))
    }

    /// The names in a folder.
    fn entries(&self, folder: &Inode) -> Result<Vec<Entry>> {
        // GRUB ignores the upper half of a folder's length.
        let length = folder.length & u64::from(u32::MAX);
        if length > LONGEST_FOLDER {
            return Err(Error::new("folder", format_args!("has more than {LONGEST_FOLDER} bytes")));
        }
        folder::entries(&self.bytes(folder, length)?)
    }

    /// What an entry is.
    fn kind(&self, entry: &Entry) -> Result<Kind> {
        entry.kind.map_or_else(|| self.inode(entry.inode).map(|inode| inode.kind), Ok)
    }

    /// The target of a link: in its inode if it fits there.
    fn target(&self, link: &Inode) -> Result<String> {
        let length = link.length & u64::from(u32::MAX);
        let bytes = match usize::try_from(length) {
            Ok(length) if length <= ROOT && !link.is_encrypted => link.root.get(..length).unwrap_or_default().to_vec(),
            _ if length <= LONGEST_LINK => self.bytes(link, length)?,
            _ => return Err(Error::new("link", format_args!("has more than {LONGEST_LINK} bytes"))),
        };
        // For GRUB, the target ends at a zero.
        let target = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8(target.to_vec()).map_err(|_| Error::new("link", "its target is not UTF-8"))
    }

    /// The first bytes of a file. Who calls bounds the length.
    fn bytes(&self, inode: &Inode, length: u64) -> Result<Vec<u8>> {
        if inode.is_encrypted {
            return Err(Error::new("file", "is encrypted (fscrypt): GRUB does not read it"));
        }
        // A hole has no bytes on the disk, but no file that boots is one.
        if length > self.region.length() {
            return Err(Error::new("file", "is longer than its file system").hint("the file system is damaged"));
        }
        let block = self.superblock.block;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| Error::new("file", "is longer than the memory"))?];
        let mut left = bytes.as_mut_slice();
        for run in blocks::of(self.region, block, inode, length.div_ceil(block))? {
            let length = usize::try_from(run.count.saturating_mul(block)).unwrap_or(usize::MAX).min(left.len());
            let (part, rest) = left.split_at_mut(length);
            if let Some(first) = run.first {
                let at = first.checked_mul(block).ok_or_else(|| Error::new("file", "is beyond all disks"))?;
                self.region.fill(at, part)?;
            }
            left = rest;
        }
        Ok(bytes)
    }
}

impl Volume for Ext<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let named = |error: Error| error.on(path);
        let Some((kind, number)) = path::find(self, path).map_err(named)? else { return Ok(None) };
        if kind != Kind::File {
            return Ok(None);
        }
        let inode = self.inode(number).map_err(named)?;
        if inode.length > limit {
            return Err(Error::new(path, format_args!("longer than {limit} bytes")));
        }
        self.bytes(&inode, inode.length).map(Some).map_err(named)
    }

    /// A link is among them, whatever its target is: so does GRUB's command `test` take it (grub-core/commands/test.c).
    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let on = |error: Error| error.on(folder);
        let Some((Kind::Folder, number)) = path::find(self, folder).map_err(on)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in self.inode(number).and_then(|folder| self.entries(&folder)).map_err(on)? {
            if self.kind(&entry).map_err(on)? != Kind::Folder {
                // GRUB is never asked for a name that is not UTF-8.
                names.extend(String::from_utf8(entry.name).ok());
            }
        }
        names.sort();
        Ok(names)
    }

    /// As for GRUB's command `test`, a link to a folder is none.
    fn has_folder(&self, path: &str) -> Result<bool> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() {
            return Ok(true);
        }
        let named = |error: Error| error.on(path);
        let Some((Kind::Folder, number)) = path::find(self, above).map_err(named)? else { return Ok(false) };
        let entries = self.inode(number).and_then(|folder| self.entries(&folder)).map_err(named)?;
        let entry = entries.iter().find(|entry| entry.name == name.as_bytes());
        entry.map_or(Ok(false), |entry| Ok(self.kind(entry).map_err(named)? == Kind::Folder))
    }
}
