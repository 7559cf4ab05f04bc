//! The compression of an initramfs.

use std::io::Write;

use clap::ValueEnum;

use super::zstd_frame;
use crate::error::{Context, Result};

/// The level with the largest window that the kernel unpacks: 8 MiB (lib/decompress_unzstd.c, ZSTD_WINDOWSIZE_MAX).
const ZSTD_LEVEL: i32 = 19;

/// How the archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compression {
    /// The smallest; the kernel needs CONFIG_RD_ZSTD.
    Zstd,
    /// For older kernels; the kernel needs CONFIG_RD_GZIP.
    Gzip,
    /// No compression.
    None,
}

/// The kernel looks for another, uncompressed archive behind this one only at a multiple of 4 bytes from the start of this one
/// (Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c, `unpack_to_rootfs`).
const ALIGNMENT: usize = 4;

impl Compression {
    /// Compresses an archive. The length of the result is a multiple of 4.
    pub(super) fn compress(self, archive: Vec<u8>) -> Result<Vec<u8>> {
        let mut bytes = self.compressed(archive)?;
        if self == Self::Zstd {
            zstd_frame::align(&mut bytes)?;
        }
        // gzip and cpio ignore zeros behind the end, as the kernel does.
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        Ok(bytes)
    }

    fn compressed(self, archive: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(archive),
            Self::Zstd => zstd::bulk::compress(&archive, ZSTD_LEVEL).about("zstd"),
            Self::Gzip => {
                // This encoder writes neither a file name nor a date into the header.
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                gzip.write_all(&archive).and_then(|()| gzip.finish()).about("gzip")
            }
        }
    }
}
