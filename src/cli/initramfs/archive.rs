//! A cpio archive in the format that the kernel unpacks (newc). The same content gives the same bytes.

use std::collections::BTreeMap;
use std::io::Write;

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::error::{Context, Result};

/// A file, folder or device node in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path without the leading slash.
    pub(super) path: String,
    /// Its permission bits.
    pub(super) mode: u32,
    /// Its type and content.
    pub(super) content: Content,
}

/// The type and content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A folder.
    Folder,
    /// A character device: its major and minor number.
    CharDevice(u32, u32),
    /// A file: its bytes.
    File(Vec<u8>),
}

/// Packs the entries in the order of their paths, and adds the folders that they need. Each entry belongs to root and has no date.
/// Fails if a file is too large for the format (4 GiB).
pub(super) fn pack(entries: Vec<Entry>) -> Result<Vec<u8>> {
    let mut sorted = BTreeMap::new();
    for entry in entries {
        for (end, _) in entry.path.match_indices('/') {
            let path = entry.path[..end].to_owned();
            sorted.entry(path.clone()).or_insert(Entry { path, mode: 0o755, content: Content::Folder });
        }
        sorted.insert(entry.path.clone(), entry);
    }
    let mut archive = Vec::new();
    for (inode, entry) in (1..).zip(sorted.values()) {
        let header = Builder::new(&entry.path).ino(inode).mode(entry.mode);
        let (header, bytes) = match &entry.content {
            Content::Folder => (header.nlink(2).set_mode_file_type(ModeFileType::Directory), [].as_slice()),
            Content::CharDevice(major, minor) => {
                (header.rdev_major(*major).rdev_minor(*minor).set_mode_file_type(ModeFileType::Char), [].as_slice())
            }
            Content::File(bytes) => (header.set_mode_file_type(ModeFileType::Regular), bytes.as_slice()),
        };
        let mut writer = header.write(&mut archive, u32::try_from(bytes.len()).about(&entry.path)?);
        writer.write_all(bytes).and_then(|()| writer.finish()).about(&entry.path)?;
    }
    trailer(&mut archive).about("cpio")?;
    Ok(archive)
}
