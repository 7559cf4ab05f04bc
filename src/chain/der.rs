//! The elements of a structure in DER (ITU-T X.690), in the bytes of the file: what was signed is those bytes, and no copy that another
//! encoder made of them. The crate `der` reads tags and lengths.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};

use crate::error::{Context, Error, Result};

/// The most elements of one structure that are read. A certificate has less than ten, a signature some certificates.
const MOST: usize = 256;

/// Tags (X.690, section 8.1.2).
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BITS: u8 = 0x03;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// The tag of a structure whose meaning the context gives by this number.
pub(super) const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// An element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Its tag.
    pub(super) tag: u8,
    /// All its bytes.
    pub(super) whole: &'a [u8],
    /// Its bytes behind tag and length.
    pub(super) value: &'a [u8],
}

/// What is left of the elements of a structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a> {
    object: &'static str,
    all: &'a [u8],
    next: usize,
    left: usize,
}

impl<'a> Elements<'a> {
    /// The elements in these bytes. Errors call the structure `object`.
    pub(super) fn new(object: &'static str, all: &'a [u8]) -> Self {
        Self { object, all, next: 0, left: MOST }
    }

    fn rest(&self) -> &'a [u8] {
        self.all.get(self.next..).unwrap_or_default()
    }

    /// Whether no element is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads the next element.
    pub(super) fn any(&mut self) -> Result<Element<'a>> {
        self.left = self.left.checked_sub(1).ok_or_else(|| self.error("has too many elements"))?;
        let rest = self.rest();
        let mut reader = SliceReader::new(rest).about(self.object)?;
        let whole = reader.tlv_bytes().about(self.object)?;
        let value = AnyRef::from_der(whole).about(self.object)?.value();
        self.next += whole.len();
        Ok(Element { tag: whole.first().copied().unwrap_or_default(), whole, value })
    }

    /// Reads the next element, which has this tag.
    pub(super) fn tagged(&mut self, tag: u8) -> Result<Element<'a>> {
        let element = self.any()?;
        if element.tag == tag {
            return Ok(element);
        }
        Err(self.error(&format!("has an element of the type {:#04x} instead of {tag:#04x}", element.tag)))
    }

    /// Reads the next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>> {
        if self.rest().first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Reads a structure, and gives its elements.
    pub(super) fn nested(&mut self, tag: u8) -> Result<Self> {
        let element = self.tagged(tag)?;
        Ok(Self::new(self.object, element.value))
    }

    /// Reads an element that must be there, whatever it is.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.any().map(drop)
    }

    /// An error about the structure.
    pub(super) fn error(&self, cause: &str) -> Error {
        Error::new(self.object, cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_their_order() {
        let bytes = [0x30, 3, 0x02, 1, 5, 0xA0, 2, 0x04, 0];
        let mut elements = Elements::new("x", &bytes);
        let mut sequence = elements.nested(SEQUENCE).unwrap();
        assert_eq!(sequence.tagged(INTEGER).unwrap(), Element { tag: 2, whole: &[2, 1, 5], value: &[5] });
        assert!(sequence.is_empty() && sequence.any().is_err());
        assert_eq!(elements.optional(context(1)).unwrap(), None);
        assert_eq!(elements.optional(context(0)).unwrap().unwrap().value, [4, 0]);
        assert!(elements.is_empty());
        let error = Elements::new("x", &bytes).tagged(SET).unwrap_err().to_string();
        assert_eq!(error, "x: has an element of the type 0x30 instead of 0x31");
    }

    #[test]
    fn lengths_beyond_the_bytes_and_other_encodings_are_errors() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF],
        ] {
            assert!(Elements::new("x", bytes).any().is_err(), "{bytes:?}");
        }
        let many = [2, 1, 5].repeat(MOST + 1);
        let mut elements = Elements::new("x", &many);
        for _ in 0..MOST {
            elements.any().unwrap();
        }
        assert_eq!(elements.any().unwrap_err().to_string(), "x: has too many elements");
    }
}
