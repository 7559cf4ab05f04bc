//! The certificate table of a program: its signatures (Microsoft, "PE Format", "The Attribute Certificate Table"). It is read as edk2
//! reads it (`DxeImageVerificationLib.c`, `DxeImageVerificationHandler`).

use super::pe::PeFile;
use crate::cursor::Fields;

/// The longest table that is read, in bytes: 1 MiB. A signature has some kilobytes.
const LONGEST: usize = 1 << 20;
/// The most signatures that are read. A program has one or two, and each is compared with each certificate of db and dbx.
const MOST: usize = 8;
/// The length of `WIN_CERTIFICATE`, and its types `WIN_CERT_TYPE_PKCS_SIGNED_DATA` and `WIN_CERT_TYPE_EFI_GUID` (UEFI 2.10, section
/// 32.2.4).
const HEADER: usize = 8;
const PKCS: u16 = 0x0002;
const GUID: u16 = 0x0EF1;
/// `EFI_CERT_TYPE_PKCS7_GUID` in its bytes.
const PKCS_7: [u8; 16] =
    [0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49, 0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7];
/// Each certificate begins at a multiple of this.
const ALIGNED: usize = 8;

/// The bytes of the table. `None` if there is none, `Some(None)` if it is not within the file, or too long to be one.
pub(super) fn of(file: &PeFile<'_>) -> Option<Option<Vec<u8>>> {
    let range = file.certificate_table.clone()?;
    let table = file.bytes.get(range).filter(|table| table.len() <= LONGEST);
    Some(table.map(<[u8]>::to_vec))
}

/// The signatures. `None` if their lengths do not fill the table, as firmware wants it, or if there are too many.
pub(super) fn signatures(table: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut rest, mut found) = (table, Vec::new());
    while rest.len() > HEADER && found.len() <= MOST {
        let fields = Fields(rest);
        let length = usize::try_from(fields.u32_le(0)?).ok()?;
        let data = match fields.u16_le(6)? {
            PKCS => Some(rest.get(HEADER..length).filter(|data| !data.is_empty())?),
            GUID => {
                let data = rest.get(HEADER + PKCS_7.len()..length).filter(|data| !data.is_empty())?;
                (fields.at(HEADER) == Some(PKCS_7)).then_some(data)
            }
            _ if length < HEADER => return None,
            _ => None,
        };
        found.extend(data);
        rest = rest.get(length.checked_next_multiple_of(ALIGNED)?..)?;
    }
    (rest.is_empty() && found.len() <= MOST).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + data.len()).unwrap().to_le_bytes();
        let mut bytes = [&length[..], &[0, 2], &kind.to_le_bytes(), data].concat();
        bytes.resize(bytes.len().next_multiple_of(ALIGNED), 0);
        bytes
    }

    #[test]
    fn the_signatures_of_a_table_are_read_and_other_certificates_are_left_out() {
        let guid = certificate(GUID, &[&PKCS_7[..], b"two"].concat());
        let other = certificate(GUID, &[&[7; 16][..], b"x"].concat());
        let table = [certificate(PKCS, b"one"), other, certificate(1, b"x509"), guid].concat();
        assert_eq!(signatures(&table).unwrap(), [b"one", b"two"]);
        assert_eq!(signatures(&[]).unwrap(), [b""; 0]);
        let count = |count| signatures(&certificate(PKCS, b"one").repeat(count)).map(|found| found.len());
        assert_eq!((count(MOST), count(MOST + 1)), (Some(MOST), None));
    }

    #[test]
    fn a_table_whose_lengths_do_not_fill_it_is_none() {
        let good = certificate(PKCS, b"one");
        for length in 1..good.len() {
            assert_eq!(signatures(&good[..length]), None, "{length}");
        }
        let with =
            |length: u32, kind: u16| [&length.to_le_bytes()[..], &[0, 2], &kind.to_le_bytes(), &[0; 24]].concat();
        for (length, kind) in
            [(0, PKCS), (8, PKCS), (u32::MAX, PKCS), (0, 1), (7, 1), (24, GUID), (0, GUID), (33, PKCS)]
        {
            assert_eq!(signatures(&with(length, kind)), None, "{length} {kind}");
        }
    }
}
