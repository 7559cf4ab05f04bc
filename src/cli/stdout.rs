//! Standard output, which carries results only.

use std::io::{ErrorKind, Write};

use crate::error::{Context, Result};

/// Writes all bytes. A reader that stops early (`| head`) is no error.
pub(super) fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).about("standard output"),
        _ => Ok(()),
    }
}
