//! The key in an X.509 certificate (RFC 5280, section 4.1). Who signed the certificate and when it ends are not checked: the
//! verifier must know that the key belongs to the machine.

use crate::cursor::Cursor;

/// `SEQUENCE` and the context-specific tag 0 (ITU-T X.690, section 8.1.2).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;

/// The `SubjectPublicKeyInfo` of a certificate in DER. `None` if it is no certificate.
pub(super) fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut whole = Cursor::new("certificate", der);
    let certificate = sequence(&mut whole).filter(|_| whole.is_empty())?;
    let mut fields = Cursor::new("certificate", sequence(&mut Cursor::new("certificate", certificate))?);
    // The serial number is the first field, or the second one behind the version.
    if element(&mut fields)?.tag == VERSION {
        element(&mut fields)?;
    }
    // The signature's algorithm, the issuer, the validity, the subject.
    for _ in 0..4 {
        sequence(&mut fields)?;
    }
    element(&mut fields).filter(|key| key.tag == SEQUENCE).map(|key| key.whole)
}

/// An element of DER.
pub(super) struct Element<'a> {
    /// Its type.
    pub(super) tag: u8,
    /// Its content.
    pub(super) content: &'a [u8],
    whole: &'a [u8],
}

/// Reads a sequence, and returns its content. `None` if there is none.
pub(super) fn sequence<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    element(cursor).filter(|element| element.tag == SEQUENCE).map(|element| element.content)
}

/// Reads one element. `None` if there is none. A length has one byte, or up to three behind a byte with their number (section 8.1.3).
pub(super) fn element<'a>(cursor: &mut Cursor<'a>) -> Option<Element<'a>> {
    let start = cursor.rest();
    let (tag, first) = (cursor.u8().ok()?, cursor.u8().ok()?);
    let length = match first {
        0..=0x7F => usize::from(first),
        0x81..=0x83 => {
            let bytes = cursor.take(usize::from(first & 0x7F)).ok()?;
            bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
        }
        _ => return None,
    };
    let content = cursor.take(length).ok()?;
    Some(Element { tag, content, whole: start.get(..start.len() - cursor.rest().len())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x82], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
    }

    #[test]
    fn the_key_is_found_with_and_without_a_version() {
        let key = der(SEQUENCE, b"key");
        let rest = [der(2, &[1]), [SEQUENCE, 0].repeat(4), key.clone(), der(0xA3, &[0; 300])].concat();
        for version in [der(VERSION, &[2, 1, 2]), Vec::new()] {
            let body = der(SEQUENCE, &[version, rest.clone()].concat());
            let certificate = der(SEQUENCE, &[body, vec![SEQUENCE, 0, 3, 1, 0]].concat());
            assert_eq!(public_key(&certificate), Some(&key[..]));
            for length in 0..certificate.len() {
                assert_eq!(public_key(&certificate[..length]), None, "{length}");
            }
        }
        for other in [&[SEQUENCE, 0x84, 0, 0, 0, 0][..], &[SEQUENCE, 0x80], &[2, 0]] {
            assert_eq!(public_key(other), None);
        }
    }
}
