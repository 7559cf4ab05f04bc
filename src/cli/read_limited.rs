//! Files that others wrote: read whole, and no further than such a file is ever long.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// The most bytes of an event log: 16 MiB. Those of firmware have some 100 KiB.
pub const LOG: u64 = 16 << 20;

/// All of a file of at most `most` bytes: one without end must not fill the memory.
///
/// # Errors
/// When it is longer, or cannot be read.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).about(path.display())?;
    if bytes.len() as u64 > most {
        return Err(Error::new(path.display(), format!("longer than {most} bytes")));
    }
    Ok(bytes)
}
