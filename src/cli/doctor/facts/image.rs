//! The root image: what the kernel needs to mount it, and what the seal needs.

use std::path::Path;

use crate::cli::image_file::ImageFile;
use crate::error::{Context, Result};
use crate::media::read_at::ReadAt;
use crate::media::superblock::FileSystem;
use crate::media::superblock_reader;

/// An image that a boot accepts.
#[derive(Debug)]
pub(in crate::cli::doctor) struct Image {
    /// Its path, as the user gave it.
    pub(in crate::cli::doctor) name: String,
    /// Its file system.
    pub(in crate::cli::doctor) kind: FileSystem,
    /// How many bytes a boot measures.
    pub(in crate::cli::doctor) bytes: u64,
    /// The largest sectors in bytes from which it can be mounted.
    pub(in crate::cli::doctor) block: u32,
    /// The compressor of a squashfs, and the kernel's option for it.
    pub(in crate::cli::doctor) compressor: Option<(&'static str, &'static str)>,
}

impl Image {
    /// Reads its superblock.
    ///
    /// # Errors
    /// If a boot would refuse it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let image = ImageFile::open(path)?;
        let bytes = image.measured_bytes(false)?;
        let found = superblock_reader::read_for_root(&image.file, &image.name, &[])?;
        let mut head = [0; 22];
        let compressor = match found.kind {
            FileSystem::Squashfs => {
                image.file.read_exact_at(&mut head, 0).about(&image.name)?;
                compressor(u16::from_le_bytes([head[20], head[21]]))
            }
            _ => None,
        };
        Ok(Self { kind: found.kind, block: found.block, bytes, compressor, name: image.name })
    }
}

/// The compressors by their numbers (kernel, fs/squashfs/squashfs_fs.h, `ZLIB_COMPRESSION` and those after it), each with the option
/// that it needs.
fn compressor(number: u16) -> Option<(&'static str, &'static str)> {
    Some(match number {
        1 => ("gzip", "SQUASHFS_ZLIB"),
        3 => ("lzo", "SQUASHFS_LZO"),
        4 => ("xz", "SQUASHFS_XZ"),
        5 => ("lz4", "SQUASHFS_LZ4"),
        6 => ("zstd", "SQUASHFS_ZSTD"),
        _ => return None,
    })
}
