//! Bytes of a log, taken from the front, little-endian; never more than are there.

use crate::error::{Error, Result};

/// What is left of the bytes.
#[derive(Debug, Clone)]
pub struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// All of them.
    #[must_use]
    pub fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// How many were taken.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Whether none are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.all.len()
    }

    /// An error about this place.
    pub fn error(&self, cause: impl std::fmt::Display) -> Error {
        Error::new(format!("event log, byte {}", self.at), cause)
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// When they are not there.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let left = &self.all[self.at..];
        let taken = left.get(..length).ok_or_else(|| {
            self.error(format!("{length} bytes should follow, {} do", left.len())).hint("was the log cut off?")
        })?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next byte.
    ///
    /// # Errors
    /// When it is not there.
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next two.
    ///
    /// # Errors
    /// When they are not there.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four.
    ///
    /// # Errors
    /// When they are not there.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// As many bytes as the next four say.
    ///
    /// # Errors
    /// When they are not there.
    pub fn counted(&mut self) -> Result<&'a [u8]> {
        let length = self.u32()?;
        // More than the address space is more than there are, too.
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_is_not_there() {
        let mut bytes = Bytes::new(&[1, 0, 2, 0, 0, 0, 7, 8, 9]);
        assert_eq!((bytes.u16().unwrap(), bytes.counted().unwrap()), (1, &[7_u8, 8][..]));
        assert!(bytes.u16().is_err() && bytes.take(usize::MAX).is_err());
        assert_eq!((bytes.offset(), bytes.u8().unwrap()), (8, 9), "an error takes nothing");
        assert!(bytes.is_empty() && bytes.u8().is_err());
        assert!(Bytes::new(&[0xFF; 4]).counted().is_err());
    }
}
