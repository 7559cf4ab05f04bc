//! The one reader for bytes that an attacker may have written: event logs, quotes, keys, superblocks, partition tables.
//!
//! [`Cursor`] reads a structure from front to back, and its errors say what is wrong. [`Fields`] reads numbers at fixed
//! offsets, in bytes that may have another format; if a field is missing, it only returns `None`. Neither reads past the end
//! of the bytes, and neither can panic.

use std::fmt::Display;

use crate::count::counted;
use crate::error::{Error, Result};

/// Reads a structure from front to back. If a read fails, the cursor does not move.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    object: &'static str,
    bytes: &'a [u8],
    offset: usize,
    /// Where `bytes` begin in the whole structure. Errors count from there.
    base: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`. Errors call the structure `object`.
    pub(crate) fn new(object: &'static str, bytes: &'a [u8]) -> Self {
        Self { object, bytes, offset: 0, base: 0 }
    }

    /// Whether every byte has been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Where the cursor stands, counted from the beginning of the whole structure.
    pub(crate) fn position(&self) -> usize {
        self.base + self.offset
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }

    /// An error about the whole structure.
    pub(crate) fn error(&self, cause: impl Display) -> Error {
        Error::new(self.object, cause)
    }

    /// An error about the byte at which the cursor stands.
    pub(crate) fn error_here(&self, cause: impl Display) -> Error {
        Error::new(format_args!("{}, byte {}", self.object, self.position()), cause)
    }

    /// Reads `length` bytes.
    ///
    /// # Errors
    /// If fewer are left.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some(taken) = slice(self.bytes, self.offset, length) else {
            let missing = length - self.left();
            return Err(self
                .error_here(format_args!("ends {} too early", counted(missing, "byte")))
                .hint("was it cut off?"));
        };
        self.offset += length;
        Ok(taken)
    }

    /// Reads one byte.
    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Reads a little-endian number of 16 bits.
    pub(crate) fn u16_le(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads a big-endian number of 32 bits.
    pub(crate) fn u32_be(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a little-endian number of 32 bits.
    pub(crate) fn u32_le(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a little-endian length of 32 bits, then as many bytes (the data of a TCG event).
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub(crate) fn counted_u32_le(&mut self) -> Result<&'a [u8]> {
        let length = self.u32_le()?;
        // A length beyond the address space is beyond the end of the bytes too.
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Reads a little-endian length of 32 bits, and returns a cursor over as many bytes.
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub(crate) fn nested_u32_le(&mut self) -> Result<Self> {
        let bytes = self.counted_u32_le()?;
        Ok(Self { object: self.object, bytes, offset: 0, base: self.position() - bytes.len() })
    }

    /// Reads a big-endian length of 32 bits, and returns a cursor over as many bytes (the value of a record in CEL-TLV).
    ///
    /// # Errors
    /// If fewer bytes are left.
    pub(crate) fn nested_u32_be(&mut self) -> Result<Self> {
        let length = self.u32_be()?;
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Self { object: self.object, bytes, offset: 0, base: self.position() - bytes.len() })
    }

    /// Checks that no bytes are left: another program might give a meaning to bytes that we ignore.
    ///
    /// # Errors
    /// If bytes are left.
    pub(crate) fn end(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.error(counted(self.left(), "byte") + " too many")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }
}

/// A TPM writes its own structures big-endian (TPM 2.0 Library, Part 1, annex "Canonicalization").
#[cfg(feature = "evidence")]
impl<'a> Cursor<'a> {
    /// Reads a big-endian number of 16 bits.
    pub(crate) fn u16_be(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a big-endian number of 64 bits.
    pub(crate) fn u64_be(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a big-endian length of 16 bits, then as many bytes (`TPM2B_*`).
    ///
    /// # Errors
    /// If the length is more than `most`, or fewer bytes are left.
    pub(crate) fn counted_u16_be(&mut self, most: usize) -> Result<&'a [u8]> {
        let length = usize::from(self.u16_be()?);
        if length > most {
            return Err(self.error(format_args!("a field has {}, but at most {most} fit", counted(length, "byte"))));
        }
        self.take(length)
    }
}

/// Little-endian numbers at fixed offsets. `None` means that the field is not within the bytes.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    /// The `N` bytes at `offset`.
    pub(crate) fn at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        slice(self.0, offset, N)?.try_into().ok()
    }

    /// The number of 16 bits at `offset`.
    pub(crate) fn u16_le(&self, offset: usize) -> Option<u16> {
        self.at(offset).map(u16::from_le_bytes)
    }

    /// The number of 32 bits at `offset`.
    pub(crate) fn u32_le(&self, offset: usize) -> Option<u32> {
        self.at(offset).map(u32::from_le_bytes)
    }

    /// The number of 64 bits at `offset`.
    pub(crate) fn u64_le(&self, offset: usize) -> Option<u64> {
        self.at(offset).map(u64::from_le_bytes)
    }

    /// The text in the `N` bytes at `offset`, which ends at the first zero, without trailing spaces. `None` if it is empty.
    pub(crate) fn text<const N: usize>(&self, offset: usize) -> Option<String> {
        let bytes = self.at::<N>(offset)?;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(N);
        let text = String::from_utf8_lossy(&bytes[..end]).trim_end_matches(' ').to_owned();
        Some(text).filter(|text| !text.is_empty())
    }

    /// The UUID whose 16 bytes at `offset` stand in the order of its text. `None` if all of them are zero.
    pub(crate) fn uuid(&self, offset: usize) -> Option<String> {
        let id = self.at::<16>(offset).filter(|id| id.iter().any(|&byte| byte != 0))?;
        Some(uuid(&id))
    }
}

/// The text of a UUID whose 16 bytes stand in the order of its text (RFC 9562, section 4).
pub(crate) fn uuid(id: &[u8; 16]) -> String {
    [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].map(hex::encode).join("-")
}

/// The text of a GUID, whose first three fields are little-endian (UEFI 2.10, appendix A).
pub(crate) fn guid(mut id: [u8; 16]) -> String {
    for field in [0..4, 4..6, 6..8] {
        id[field].reverse();
    }
    uuid(&id)
}

/// The only place that checks bounds.
fn slice(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_never_reads_past_the_end_of_a_little_endian_structure() {
        let mut cursor = Cursor::new("x", &[1, 0, 2, 0, 0, 0, 7, 8, 9]);
        assert_eq!((cursor.u16_le().unwrap(), cursor.counted_u32_le().unwrap()), (1, &[7_u8, 8][..]));
        assert_eq!(cursor.u16_le().unwrap_err().to_string(), "x, byte 8: ends 1 byte too early (was it cut off?)");
        assert!(cursor.take(usize::MAX).is_err());
        assert_eq!(cursor.error_here("why").to_string(), "x, byte 8: why");
        assert_eq!(cursor.u8().unwrap(), 9, "a read that fails does not move the cursor");
        assert!(cursor.is_empty() && cursor.u8().is_err());
        assert!(Cursor::new("x", &[0xFF; 4]).counted_u32_le().is_err());
        let mut cursor = Cursor::new("x", &[9, 2, 0, 0, 0, 7, 8, 6]);
        cursor.u8().unwrap();
        let mut nested = cursor.nested_u32_le().unwrap();
        assert_eq!((nested.u8().unwrap(), nested.position(), nested.rest(), cursor.rest()), (7, 6, &[8][..], &[6][..]));
        assert_eq!(nested.u16_le().unwrap_err().to_string(), "x, byte 6: ends 1 byte too early (was it cut off?)");
    }

    #[test]
    fn a_cursor_never_reads_past_the_end_of_a_big_endian_structure() {
        let mut cursor = Cursor::new("x", &[0, 1, 7, 0, 3, 8, 9]);
        assert_eq!(cursor.counted_u16_be(1).unwrap(), [7]);
        assert_eq!(cursor.counted_u16_be(2).unwrap_err().to_string(), "x: a field has 3 bytes, but at most 2 fit");
        let mut cursor = Cursor::new("x", &[0, 3, 8, 9]);
        let error = cursor.counted_u16_be(3).unwrap_err().to_string();
        assert_eq!(error, "x, byte 2: ends 1 byte too early (was it cut off?)");
        assert!(cursor.take(usize::MAX).is_err() && cursor.u64_be().is_err());
        assert_eq!(cursor.u16_be().unwrap(), 0x0809);
        assert!(cursor.u8().is_err() && cursor.end().is_ok());
        assert_eq!(Cursor::new("x", &[0]).end().unwrap_err().to_string(), "x: 1 byte too many");
    }

    #[test]
    fn the_fields_of_a_guid_are_swapped() {
        let id = [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
        assert_eq!(guid(id), "8be4df61-93ca-11d2-aa0d-00e098032b8c", "EFI_GLOBAL_VARIABLE");
    }

    #[test]
    fn a_field_outside_the_bytes_is_absent() {
        let fields = Fields(&[1, 2, b'a', b' ', 0]);
        assert_eq!((fields.u16_le(0), fields.u16_le(4), fields.u32_le(2)), (Some(0x0201), None, None));
        assert_eq!((fields.u64_le(usize::MAX), fields.at::<0>(6)), (None, None));
        assert_eq!((fields.text::<3>(2).as_deref(), fields.text::<1>(4), fields.uuid(0)), (Some("a"), None, None));
    }
}
