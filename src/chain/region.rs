//! A stretch of a disk: all of it, a partition, an image inside another one. Every read is checked against its end.

use std::io;

use crate::error::{Error, Result};
use crate::media::read_at::ReadAt;

/// A stretch.
#[derive(Clone, Copy)]
pub struct Region<'a> {
    bytes: &'a dyn ReadAt,
    start: u64,
    length: u64,
}

impl<'a> Region<'a> {
    /// All of a disk of `length` bytes.
    pub fn whole(bytes: &'a dyn ReadAt, length: u64) -> Self {
        Self { bytes, start: 0, length }
    }

    /// Where it begins on the disk.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// A part of it. `None` if it does not lie within.
    pub(super) fn part(&self, at: u64, length: u64) -> Option<Self> {
        let is_within = at.checked_add(length).is_some_and(|end| end <= self.length);
        is_within.then_some(Self { bytes: self.bytes, start: self.start.checked_add(at)?, length })
    }

    /// The bytes from `at` to the end of a buffer.
    ///
    /// # Errors
    /// If they do not lie within, or cannot be read.
    pub(super) fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let wanted = self.part(at, buffer.len() as u64).ok_or_else(|| {
            let cause = format_args!("is beyond the end, which is byte {}", self.length);
            Error::new(format_args!("byte {at}"), cause).hint("was the disk cut off, or is it damaged?")
        })?;
        let failed = |error| Error::new(format_args!("byte {}", wanted.start), error);
        self.bytes.read_exact_at(buffer, wanted.start).map_err(failed)
    }

    /// The same in a new buffer. Who calls bounds the length.
    pub(super) fn read(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        self.fill(at, &mut buffer)?;
        Ok(buffer)
    }

    /// The same, or fewer bytes if the stretch ends before.
    pub(super) fn head(&self, at: u64, most: usize) -> Result<Vec<u8>> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        self.read(at.min(self.length), left.min(most))
    }
}

impl ReadAt for Region<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let (Some(part), Some(place)) = (buffer.get_mut(..length), self.start.checked_add(offset)) else {
            return Ok(0);
        };
        // The disk may be shorter than it was: then this fails, and nothing counts as the end.
        self.bytes.read_exact_at(part, place).map(|()| length)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let whole = buffer.len();
        if self.read_at(buffer, offset)? == whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_read_leaves_the_stretch() {
        let disk = (0..=99).collect::<Vec<u8>>();
        let part = Region::whole(&disk, 100).part(10, 20).unwrap();
        assert_eq!((part.read(5, 2).unwrap(), part.start(), part.length()), (vec![15, 16], 10, 20));
        assert_eq!((part.head(18, 9).unwrap(), part.head(30, 9).unwrap()), (vec![28, 29], vec![]));
        let error = part.read(19, 2).unwrap_err().to_string();
        assert!(error.starts_with("byte 19: is beyond the end, which is byte 20 ("), "{error}");
        assert!(part.part(20, 0).is_some() && part.part(20, 1).is_none() && part.part(u64::MAX, 2).is_none());
        // A disk that is shorter than it said.
        let error = Region::whole(&disk, 200).read(150, 1).unwrap_err().to_string();
        assert!(error.starts_with("byte 150: "), "{error}");
    }
}
