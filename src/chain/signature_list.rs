//! Signature lists: what the variables db and dbx have (UEFI 2.10, section 32.4.1, `EFI_SIGNATURE_LIST`).

use crate::cursor::{Cursor, Fields};
use crate::error::Result;
use crate::eventlog::efi_variable::{SHA256, X509};
use crate::hash::bank::Bank;

/// The other types in their bytes: `EFI_CERT_SHA256_GUID` and its like; `EFI_CERT_X509_SHA256_GUID` and its like.
const PROGRAMS: [(Bank, [u8; 16]); 3] = [
    (Bank::Sha256, SHA256),
    (Bank::Sha384, [0x07, 0x53, 0x3e, 0xff, 0xd0, 0x9f, 0xc9, 0x48, 0x85, 0xf1, 0x8a, 0xd5, 0x6c, 0x70, 0x1e, 0x01]),
    (Bank::Sha512, [0xae, 0x0f, 0x3e, 0x09, 0xc4, 0xa6, 0x50, 0x4f, 0x9f, 0x1b, 0xd4, 0x1e, 0x2b, 0x89, 0xc1, 0x9a]),
];
const CERTIFICATES: [(Bank, [u8; 16]); 3] = [
    (Bank::Sha256, [0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed]),
    (Bank::Sha384, [0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e, 0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6, 0x86, 0x5b]),
    (Bank::Sha512, [0x63, 0xbf, 0x6d, 0x44, 0x02, 0x25, 0xda, 0x4c, 0xbc, 0xfa, 0x24, 0x65, 0xd2, 0xb0, 0xfe, 0x9d]),
];
/// `EFI_CERT_SHA1_GUID`, 826ca512-cf10-4ac9-b187-be01496631bd.
const SHA1: [u8; 16] = [0x12, 0xa5, 0x6c, 0x82, 0x10, 0xcf, 0xc9, 0x4a, 0xb1, 0x87, 0xbe, 0x01, 0x49, 0x66, 0x31, 0xbd];
/// The length of the header of a list, and of the owner before each entry.
const HEADER: usize = 28;
const OWNER: usize = 16;

/// What an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A certificate.
    Certificate,
    /// The digest of a program.
    Program(Bank),
    /// The SHA-1 digest of a program, which only shim still compares.
    OldProgram,
    /// The digest of a certificate, then the time of its revocation.
    CertificateDigest(Bank),
    /// Something else, which firmware does not compare with programs.
    Other,
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// What it names.
    pub(super) kind: Kind,
    /// Whether it is the first entry of its list.
    pub(super) is_first: bool,
    /// `EFI_SIGNATURE_DATA`: the owner, then the certificate or digest. This is what firmware measures of an entry that allows a program.
    pub(super) whole: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The certificate or the digest.
    pub(super) fn data(&self) -> &'a [u8] {
        self.whole.get(OWNER..).unwrap_or_default()
    }
}

/// The entries of a variable, in their order.
///
/// # Errors
/// If a length is wrong: what firmware does with such a list is not predicted.
pub(super) fn entries(variable: &[u8]) -> Result<Vec<Entry<'_>>> {
    let mut cursor = Cursor::new("signature list", variable);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        let header = cursor.clone();
        let head = cursor.take(HEADER)?;
        let fields = Fields(head);
        let field = |offset| fields.u32_le(offset).and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
        let (kind, list, own, size) = (kind(fields.at(0)), field(16), field(20), field(24));
        let length = list.checked_sub(HEADER).and_then(|length| length.checked_sub(own));
        let length = length.filter(|length| size > OWNER && length.is_multiple_of(size));
        let length = length.ok_or_else(|| header.error_here("its lengths do not fit together"))?;
        cursor.take(own)?;
        let found = cursor.take(length)?.chunks_exact(size).enumerate();
        entries.extend(found.map(|(at, whole)| Entry { kind, is_first: at == 0, whole }));
    }
    Ok(entries)
}

fn kind(found: Option<[u8; 16]>) -> Kind {
    let of = |table: &[(Bank, [u8; 16])]| table.iter().find(|(_, kind)| found == Some(*kind)).map(|(bank, _)| *bank);
    match (of(&PROGRAMS), of(&CERTIFICATES)) {
        _ if found == Some(X509) => Kind::Certificate,
        _ if found == Some(SHA1) => Kind::OldProgram,
        (Some(bank), _) => Kind::Program(bank),
        (_, Some(bank)) => Kind::CertificateDigest(bank),
        _ => Kind::Other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A list with entries of one size. The owner is 7.
    pub(in crate::chain) fn list(kind: Kind, entries: &[&[u8]]) -> Vec<u8> {
        let find = |table: &[(Bank, [u8; 16])], bank| table.iter().find(|(own, _)| *own == bank).unwrap().1;
        let kind = match kind {
            Kind::Certificate => X509,
            Kind::OldProgram => SHA1,
            Kind::Program(bank) => find(&PROGRAMS, bank),
            Kind::CertificateDigest(bank) => find(&CERTIFICATES, bank),
            Kind::Other => [9; 16],
        };
        let size = OWNER + entries[0].len();
        let numbers =
            [HEADER + size * entries.len(), 0, size].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        let entries: Vec<u8> = entries.iter().flat_map(|entry| [&[7; OWNER], *entry].concat()).collect();
        [&kind[..], &numbers.concat(), &entries].concat()
    }

    #[test]
    fn the_entries_of_all_lists_are_read_in_their_order() {
        let digest = Kind::Program(Bank::Sha256);
        let bytes = [
            list(Kind::Certificate, &[b"one"]),
            list(digest, &[&[1; 32], &[2; 32]]),
            list(Kind::CertificateDigest(Bank::Sha512), &[&[3; 80]]),
            list(Kind::Other, &[b"x"]),
        ];
        let bytes = bytes.concat();
        let found = entries(&bytes).unwrap();
        let kinds: Vec<_> = found.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [Kind::Certificate, digest, digest, Kind::CertificateDigest(Bank::Sha512), Kind::Other]);
        assert_eq!((found[0].data(), found[2].data()), (&b"one"[..], &[2; 32][..]));
        assert_eq!(found[0].whole, [&[7; 16][..], b"one"].concat());
        assert_eq!(entries(&[]).unwrap(), []);
    }

    #[test]
    fn a_list_whose_lengths_do_not_fit_is_an_error() {
        let good = list(Kind::Program(Bank::Sha256), &[&[1; 32], &[2; 32]]);
        for length in 1..good.len() {
            assert!(entries(&good[..length]).is_err(), "{length}");
        }
        for (at, number) in
            [(16, 0), (16, 27), (16, u32::MAX), (20, 1), (20, u32::MAX), (24, 0), (24, 16), (24, 95), (24, u32::MAX)]
        {
            let mut wrong = good.clone();
            wrong[at..at + 4].copy_from_slice(&number.to_le_bytes());
            assert!(entries(&wrong).is_err(), "{at}: {number}");
        }
    }
}
