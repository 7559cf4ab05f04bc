//! Bytes in a TPM's own form, big-endian, taken from the front (TPM 2.0 Library, Part 1, annex "Canonicalization").

use crate::error::{Error, Result};

/// What is left of a structure.
#[derive(Debug)]
pub struct Wire<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    /// The bytes of `what`, which errors name.
    #[must_use]
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    /// An error about the structure.
    pub fn error(&self, cause: impl std::fmt::Display) -> Error {
        Error::new(self.what, cause)
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// When they are not there.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.error(format!("ends {} bytes too early", length - self.rest.len())));
        };
        self.rest = rest;
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
        self.array().map(u8::from_be_bytes)
    }

    /// The next two.
    ///
    /// # Errors
    /// When they are not there.
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four.
    ///
    /// # Errors
    /// When they are not there.
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight.
    ///
    /// # Errors
    /// When they are not there.
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// As many bytes as the next two say (`TPM2B_*`), at most `most`.
    ///
    /// # Errors
    /// When they are more, or not there.
    pub fn sized(&mut self, most: usize) -> Result<&'a [u8]> {
        let length = usize::from(self.u16()?);
        if length > most {
            return Err(self.error(format!("a field of {length} bytes where at most {most} fit")));
        }
        self.take(length)
    }

    /// Nothing must be left: what nobody looks at may mean something to somebody else.
    ///
    /// # Errors
    /// When something is.
    pub fn end(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(format!("{} bytes too many", self.rest.len()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_that_is_not_there() {
        let mut wire = Wire::new("x", &[0, 1, 7, 0, 3, 8, 9]);
        assert_eq!(wire.sized(1).unwrap(), [7]);
        assert_eq!(wire.sized(2).unwrap_err().to_string(), "x: a field of 3 bytes where at most 2 fit");
        let mut wire = Wire::new("x", &[0, 3, 8, 9]);
        assert_eq!(wire.sized(3).unwrap_err().to_string(), "x: ends 1 bytes too early");
        assert!(wire.take(usize::MAX).is_err() && wire.u64().is_err());
        assert_eq!(wire.u16().unwrap(), 0x0809);
        assert!(wire.u8().is_err() && wire.end().is_ok());
        assert_eq!(Wire::new("x", &[0]).end().unwrap_err().to_string(), "x: 1 bytes too many");
    }
}
