//! Bytes that are read at any place: a device or a file, or for a prediction a part of a disk's image.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read at any place.
pub trait ReadAt {
    /// Reads bytes from `offset` on, and returns their number: fewer than the buffer holds only at the end, or as read(2) does.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// If they cannot be read, or end before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(length)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let whole = buffer.len();
        if self.read_at(buffer, offset)? == whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}
