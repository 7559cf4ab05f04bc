//! Reads whole files from untrusted sources, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// The limit for an event log, and for the PCR values that belong to it, in bytes: 16 MiB. A firmware's log has about 100 KiB.
pub(super) const LOG: u64 = 16 << 20;

/// Reads a file of at most `limit` bytes. Without a limit, an endless file (`/dev/zero`) would fill the memory.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).about(path.display())?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(path.display(), format!("longer than {limit} bytes")));
    }
    Ok(bytes)
}
