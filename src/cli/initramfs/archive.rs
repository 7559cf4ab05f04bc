//! A cpio archive as the kernel unpacks it (newc), the same bytes for the same content.

use std::collections::BTreeMap;
use std::io::Write;

use clap::ValueEnum;
use cpio::newc::{Builder, ModeFileType, trailer};

use crate::error::{Context, Result};

/// A file, folder or device node in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it will be, without the leading slash.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Folder,
    /// A character device with its major and minor number.
    CharDevice(u32, u32),
    /// A file with its bytes.
    File(Vec<u8>),
}

/// How the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// CONFIG_RD_ZSTD; the smallest.
    Zstd,
    /// CONFIG_RD_GZIP; for older kernels.
    Gzip,
    /// Not at all.
    None,
}

/// The level with the largest window that the kernel unpacks: 8 MiB (lib/decompress_unzstd.c, ZSTD_WINDOWSIZE_MAX).
const ZSTD_LEVEL: i32 = 19;

/// Packs the entries in the order of their paths, with the folders that they lie in. All is root's and has no date.
///
/// # Errors
/// When a file is too large for the format (4 GiB).
pub fn pack(entries: Vec<Entry>) -> Result<Vec<u8>> {
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

/// Compresses an archive.
///
/// # Errors
/// When the compressor fails.
pub fn compress(archive: Vec<u8>, compression: Compression) -> Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(archive),
        Compression::Zstd => zstd::bulk::compress(&archive, ZSTD_LEVEL).about("zstd"),
        Compression::Gzip => {
            // This writes neither a name nor a date into the header.
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(&archive).and_then(|()| gzip.finish()).about("gzip")
        }
    }
}
