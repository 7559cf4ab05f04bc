//! A module's file that xz compressed. lzma-rs reads what Linux' `make modules_install` makes, and less than the program xz can write
//! (The .xz File Format, version 1.2.1).

use std::io::{ErrorKind, Write};

use lzma_rs::error::Error::{HeaderTooShort, IoError, LzmaError, XzError};

use crate::error::{Error, Result};

/// Section 2.1.1.1: the first bytes of a stream.
const MAGIC: [u8; 6] = *b"\xfd7zXZ\0";
/// Section 2.2: a stream is a multiple of this length in bytes.
const ALIGNMENT: usize = 4;

/// Unpacks the bytes. The object of the error is `name`.
///
/// # Errors
/// If they are damaged or cut off; if `output` takes no more; if they have what this program cannot unpack, which the error says.
pub(super) fn unpack(name: &str, bytes: &[u8], mut output: &mut dyn Write) -> Result<()> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Error::new(name, "is no xz file"));
    }
    let Err(error) = lzma_rs::xz_decompress(&mut &*bytes, &mut output) else { return Ok(()) };
    if let Some(feature) = unknown_feature(bytes) {
        let cause = format_args!("is an xz file with {feature}, which measureroot cannot unpack");
        return Err(
            Error::new(name, cause).hint("unpack it with xz --decompress, and pack it again with xz --check=crc32")
        );
    }
    Err(match error {
        IoError(error) | HeaderTooShort(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::new(name, "cannot be unpacked: it is cut off")
        }
        IoError(error) | HeaderTooShort(error) => Error::new(name, format_args!("cannot be unpacked: {error}")),
        // The words of the library are for its programmers.
        LzmaError(_) | XzError(_) => Error::new(name, "cannot be unpacked: it is damaged"),
    })
}

/// What this program cannot unpack.
fn unknown_feature(bytes: &[u8]) -> Option<&'static str> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    // Section 2.1.1.2: no check, CRC32, CRC64, SHA-256.
    match byte(7) & 0x0f {
        0 | 1 | 4 => {}
        0x0a => return Some("a SHA-256 (--check=sha256)"),
        _ => return Some("an unknown check"),
    }
    // Section 3.1.2: the first block has two filters or more. The last one is always LZMA2.
    if byte(12) != 0 && byte(13) & 3 != 0 {
        return Some("a filter before LZMA2 (BCJ or delta)");
    }
    let later = bytes.chunks_exact(ALIGNMENT).skip(MAGIC.len().div_ceil(ALIGNMENT));
    let mut starts = later.clone().zip(later.skip(1));
    starts.any(|(one, two)| [one, two].concat().starts_with(&MAGIC)).then_some("several streams")
}
