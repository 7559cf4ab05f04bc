//! Signatures with RSA and the padding of PKCS #1 1.5, the only ones that firmware checks.

use rsa::RsaPublicKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha2::{Sha256, Sha384, Sha512};

use crate::hash::bank::Bank;

/// The arc of PKCS #1, 1.2.840.113549.1.1 (RFC 8017, appendix C), and the numbers in it: RSA alone, and RSA with a hash.
const PKCS_1: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
const RSA: u8 = 1;
/// SHA-1, 1.3.14.3.2.26, and the arc of SHA-2, 2.16.840.1.101.3.4.2.
const SHA_1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
const SHA_2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// What stands before a SHA-1 digest in the padding (RFC 8017, section 9.2, note 1).
const SHA_1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

/// The hash with this object identifier.
pub(super) fn bank_of_hash(oid: &[u8]) -> Option<Bank> {
    match oid.strip_prefix(SHA_2) {
        Some([1]) => Some(Bank::Sha256),
        Some([2]) => Some(Bank::Sha384),
        Some([3]) => Some(Bank::Sha512),
        _ => (oid == SHA_1).then_some(Bank::Sha1),
    }
}

/// The hash of a signature with this algorithm.
pub(super) fn bank_of_signature(oid: &[u8]) -> Option<Bank> {
    match oid.strip_prefix(PKCS_1)? {
        [5] => Some(Bank::Sha1),
        [11] => Some(Bank::Sha256),
        [12] => Some(Bank::Sha384),
        [13] => Some(Bank::Sha512),
        _ => None,
    }
}

/// Whether it is RSA, with this hash or with one that stands elsewhere.
pub(super) fn is_rsa_with(oid: &[u8], bank: Bank) -> bool {
    oid.strip_prefix(PKCS_1) == Some(&[RSA]) || bank_of_signature(oid) == Some(bank)
}

/// Whether the holder of a key signed the digest of `bytes`.
pub(super) fn is_valid(key: &RsaPublicKey, bank: Bank, bytes: &[u8], signature: &[u8]) -> bool {
    let scheme = match bank {
        Bank::Sha1 => Pkcs1v15Sign { hash_len: Some(bank.digest_len()), prefix: SHA_1_PREFIX.into() },
        Bank::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        Bank::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        Bank::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
    };
    key.verify(scheme, bank.digest(bytes).as_bytes(), signature).is_ok()
}
