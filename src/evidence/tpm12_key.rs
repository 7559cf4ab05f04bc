//! The key of a TPM 1.2, in each form that `tpm_mkaik` of tpm-quote-tools writes: the public key, which TrouSerS frames in DER, and
//! the key blob.

use super::certificate::{Element, element, sequence};
use super::key_material::KeyMaterial;
use super::scheme::{Scheme, SignatureAlgorithm};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The signature scheme of a TPM 1.2's identity key: `TPM_SS_RSASSAPKCS1v15_SHA1` (TPM Main 1.2, Part 2, section 5.8.1).
pub(super) const SCHEME: Scheme = Scheme { algorithm: SignatureAlgorithm::RsaSsa, hash: Bank::Sha1 };
const SIGNATURE: u16 = 0x0002;
/// `TPM_ES_NONE`: the key does not encrypt (the same section).
const NO_ENCRYPTION: u16 = 0x0001;
/// `TPM_ALG_RSA` (section 4.8).
const RSA: u32 = 0x0000_0001;
/// `TPM_KEY_IDENTITY`: the TPM signs only its own structures with it (section 5.8).
const IDENTITY: u16 = 0x0012;
/// The flag of a key that can leave its TPM (section 5.10, `migratable`).
const MIGRATABLE: u32 = 1 << 1;
/// `TCPA_VERSION` and `TPM_TAG_KEY12`, with which a key blob begins (sections 10.2 and 10.3).
const KEY: [u8; 4] = [1, 1, 0, 0];
const KEY12: [u8; 4] = [0, 0x28, 0, 0];
/// How `TPM_PUBKEY` begins: the algorithm is RSA (section 10.5).
const PUBKEY: [u8; 4] = RSA.to_be_bytes();
/// The longest field of a key in bytes: a number of 4096 bits, or what the TPM encrypted to the parent key.
const FIELD: u32 = 512;
/// The most primes and the default exponent, which a TPM writes with no byte (section 10.1.1).
const PRIMES: u32 = 2;
const EXPONENT: u32 = 65537;
/// `TSS_BLOB_STRUCT_VERSION` and `TSS_BLOB_TYPE_PUBKEY` (TSS 1.2; TrouSerS, src/tspi/tspi_asn1.c).
const VERSION: u32 = 1;
const PUBLIC: u32 = 2;
/// `INTEGER` and `OCTET STRING` (ITU-T X.690, section 8).
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;

/// A key of a TPM 1.2.
#[derive(Debug, Clone)]
pub(super) struct Tpm12Key {
    /// The numbers.
    pub(super) material: KeyMaterial,
    /// Whether it says of itself that it is an identity key that cannot leave its TPM. The public key alone does not say it.
    pub(super) is_identity: bool,
}

impl Tpm12Key {
    /// Reads a key. `None` if the bytes do not begin like one.
    ///
    /// # Errors
    /// If the key is malformed, or if its signature would prove nothing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Result<Self>> {
        if let Some(public) = framed(bytes) {
            return Some(public.and_then(Self::public));
        }
        match bytes.first_chunk::<4>()? {
            &PUBKEY => Some(Self::public(bytes)),
            &KEY | &KEY12 => Some(Self::blob(bytes)),
            _ => None,
        }
    }

    /// `TPM_PUBKEY` (section 10.5).
    fn public(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("key", bytes);
        let exponent = parameters(&mut cursor)?;
        let material = modulus(&mut cursor, exponent)?;
        cursor.end()?;
        Ok(Self { material, is_identity: false })
    }

    /// `TPM_KEY` or `TPM_KEY12` (sections 10.2 and 10.3).
    fn blob(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("key", bytes);
        cursor.take(KEY.len())?;
        let (usage, flags) = (cursor.u16_be()?, cursor.u32_be()?);
        if usage != IDENTITY {
            let cause =
                format!("is of the usage {usage:#06x}, not an identity key: its signature does not prove a quote");
            return Err(Error::new("key", cause).hint("tpm_mkaik makes an identity key"));
        }
        if flags & MIGRATABLE != 0 {
            return Err(Error::new("key", "can leave its TPM (migratable): its signature does not prove a quote"));
        }
        // Whether the use of the key needs a password.
        cursor.u8()?;
        let exponent = parameters(&mut cursor)?;
        // The PCRs to which the use of the key is bound.
        counted(&mut cursor)?;
        let material = modulus(&mut cursor, exponent)?;
        // The private part, encrypted to the TPM's storage key.
        counted(&mut cursor)?;
        cursor.end()?;
        Ok(Self { material, is_identity: true })
    }
}

/// `TPM_KEY_PARMS` of a signing key (section 10.1). Returns the exponent.
fn parameters(cursor: &mut Cursor) -> Result<u32> {
    let (algorithm, encryption, signature) = (cursor.u32_be()?, cursor.u16_be()?, cursor.u16_be()?);
    if algorithm != RSA {
        return Err(cursor.error(format_args!("is of the algorithm {algorithm:#010x}, which is not RSA")));
    }
    if (encryption, signature) != (NO_ENCRYPTION, SIGNATURE) {
        let cause = format!("is no key that only signs, with SHA-1 (schemes {encryption:#06x} and {signature:#06x})");
        return Err(cursor.error(cause).hint("tpm_mkaik makes an identity key"));
    }
    let mut parameters = cursor.nested_u32_be()?;
    let (bits, primes) = (parameters.u32_be()?, parameters.u32_be()?);
    if primes != PRIMES || bits > FIELD * 8 {
        return Err(cursor.error(format_args!("has {bits} bits and {primes} primes")));
    }
    let exponent = counted(&mut parameters)?;
    parameters.end()?;
    if exponent.is_empty() {
        return Ok(EXPONENT);
    }
    number(exponent).ok_or_else(|| cursor.error(format_args!("has an exponent of {} bytes", exponent.len())))
}

/// `TPM_STORE_PUBKEY` (section 10.4).
fn modulus(cursor: &mut Cursor, exponent: u32) -> Result<KeyMaterial> {
    KeyMaterial::rsa(counted(cursor)?, exponent)
}

/// A length of 32 bits, and as many bytes.
fn counted<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let length = cursor.u32_be()?;
    if length > FIELD {
        return Err(cursor.error(format_args!("a field has {length} bytes, but at most {FIELD} fit")));
    }
    cursor.take(length as usize)
}

/// The public key in TrouSerS' frame: a sequence of the frame's version, the type and the length of what is in it, and the bytes. `None`
/// if the bytes are another sequence, such as `SubjectPublicKeyInfo`.
fn framed(bytes: &[u8]) -> Option<Result<&[u8]>> {
    let mut whole = Cursor::new("key", bytes);
    let mut fields = Cursor::new("key", sequence(&mut whole)?);
    let mut field =
        |tag| element(&mut fields).filter(|element| element.tag == tag).map(|Element { content, .. }| content);
    let (version, kind, length, content) = (field(INTEGER)?, field(INTEGER)?, field(INTEGER)?, field(OCTETS)?);
    let is_whole = whole.is_empty() && fields.is_empty() && number(length) == u32::try_from(content.len()).ok();
    Some(match (number(version), number(kind)) {
        (Some(VERSION), Some(PUBLIC)) if is_whole => Ok(content),
        (Some(VERSION), Some(PUBLIC)) => Err(Error::new("key", "is cut off, or has bytes behind the public key")),
        _ => {
            let what = format!("is a blob of TrouSerS of another type ({}), not a public key", hex::encode(kind));
            Err(Error::new("key", what).hint("tpm_mkaik writes the public key into its second file"))
        }
    })
}

/// A number of up to 32 bits. TrouSerS writes zero bytes in front, which DER does not allow.
fn number(bytes: &[u8]) -> Option<u32> {
    (1..=4).contains(&bytes.len()).then(|| bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: &[u8] = include_bytes!("../../tests/evidence/tpm12.aik.blob");
    const PUBLIC_KEY: &[u8] = include_bytes!("../../tests/evidence/tpm12.aik.pub");

    fn parsed(bytes: &[u8]) -> std::result::Result<(String, bool), String> {
        match Tpm12Key::parse(bytes) {
            None => Err("another form".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(key)) => Ok((key.material.name(), key.is_identity)),
        }
    }

    #[test]
    fn each_form_that_tpm_mkaik_writes_is_read() {
        let name = || "RSA 2048".to_owned();
        assert_eq!(parsed(BLOB), Ok((name(), true)));
        assert_eq!(parsed(PUBLIC_KEY), Ok((name(), false)));
        assert_eq!(parsed(&PUBLIC_KEY[20..]), Ok((name(), false)), "TPM_PUBKEY without a frame");
        let key12 = [&KEY12, &BLOB[4..]].concat();
        assert_eq!(parsed(&key12), Ok((name(), true)), "TPM_KEY12");
        // Strict DER has no zero byte in front of the length.
        let strict = [&[0x30, 0x82, 1, 0x2A, 2, 1, 1, 2, 1, 2, 2, 2, 1, 0x1C][..], &PUBLIC_KEY[16..]].concat();
        assert_eq!(parsed(&strict), Ok((name(), false)));
    }

    #[test]
    fn a_key_that_is_cut_off_or_longer_is_refused() {
        for whole in [BLOB, PUBLIC_KEY, &PUBLIC_KEY[20..]] {
            for length in 0..whole.len() {
                assert!(parsed(&whole[..length]).is_err(), "{length}");
            }
            assert!(parsed(&[whole, &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_key_whose_signature_proves_nothing_is_refused() {
        for (at, byte, part) in [
            (5, 0x10, "is of the usage 0x0010, not an identity key"),
            (9, 2, "can leave its TPM (migratable)"),
            (14, 6, "is of the algorithm 0x00000006, which is not RSA"),
            (16, 3, "is no key that only signs, with SHA-1"),
            (18, 3, "is no key that only signs, with SHA-1"),
            (19, 0x7F, "too early"),
            (23, 0xFF, "has 4278192128 bits and 2 primes"),
            (30, 3, "has 2048 bits and 3 primes"),
            (31, 0xFF, "a field has 4278190080 bytes"),
            (35, 0xFF, "a field has 4278190080 bytes"),
            (39, 0xFF, "a field has 4278190336 bytes"),
        ] {
            let mut blob = BLOB.to_vec();
            blob[at] = byte;
            let error = parsed(&blob).unwrap_err();
            assert!(error.contains(part), "byte {at}: {error}");
        }
        let mut other = PUBLIC_KEY.to_vec();
        other[9] = 1;
        assert!(parsed(&other).unwrap_err().contains("another type (01)"));
        assert_eq!(parsed(b"-----BEGIN PUBLIC KEY"), Err("another form".to_owned()));
    }

    #[test]
    fn the_exponent_may_be_written() {
        // The parameters have three bytes more.
        let written = |exponent: &[u8]| {
            let length = u8::try_from(exponent.len()).unwrap();
            let public = &PUBLIC_KEY[20..];
            [&public[..8], &[0, 0, 0, 12 + length], &public[12..20], &[0, 0, 0, length], exponent, &public[24..]]
                .concat()
        };
        assert!(parsed(&written(&[1, 0, 1])).is_ok());
        assert!(parsed(&written(&[1])).is_err() && parsed(&written(&[1, 0, 1, 0, 1])).is_err());
    }
}
