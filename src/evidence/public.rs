//! The public part of an attestation key in the TPM's format: `TPMT_PUBLIC` (TPM 2.0 Library, Part 2, section 12.2.4).

use super::key_material::{KeyMaterial, Point};
use super::scheme::{NULL, Scheme, SignatureAlgorithm};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// `TPM_ALG_RSA` and `TPM_ALG_ECC` (section 6.3).
const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
/// `TPM_ECC_NIST_P256` and `TPM_ECC_NIST_P384` (section 6.4).
const P256: u16 = 0x0003;
const P384: u16 = 0x0004;
/// The longest modulus and the longest coordinate of a key, in bytes.
const MODULUS: usize = 512;
const COORDINATE: usize = 48;
/// The default exponent, which a TPM writes as 0 (section 12.2.3.5).
const EXPONENT: u32 = 65537;

/// Attributes (`TPMA_OBJECT`, section 8.3). The key cannot leave its TPM.
const FIXED_TPM: u32 = 1 << 1;
/// Nor can it with the key that it is stored under. A TPM refuses the attribute above without this one.
const FIXED_PARENT: u32 = 1 << 4;
/// The TPM made the private part. A TPM makes no other asymmetric key that cannot leave it.
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
/// A copy for another TPM must be encrypted. A TPM refuses it for a key that has no copies.
const ENCRYPTED_DUPLICATION: u32 = 1 << 11;
/// The key signs and decrypts only what the TPM itself made.
const RESTRICTED: u32 = 1 << 16;
/// The key decrypts.
const DECRYPT: u32 = 1 << 17;
/// The key signs.
const SIGN: u32 = 1 << 18;

/// A key whose attributes make its quotes a proof.
#[derive(Debug, Clone)]
pub(super) struct Public {
    /// The numbers.
    pub(super) material: KeyMaterial,
    /// Its signature scheme, if the key fixes one.
    pub(super) scheme: Option<Scheme>,
    /// Its name, which identifies it in credentials and to people.
    pub(super) name: Vec<u8>,
}

impl Public {
    /// Parses `TPMT_PUBLIC`.
    ///
    /// # Errors
    /// If it is anything else, or if the key's quotes prove nothing.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("key", bytes);
        let (kind, name_hash, attributes) = (cursor.u16_be()?, cursor.u16_be()?, cursor.u32_be()?);
        if kind != RSA && kind != ECC {
            return Err(cursor.error(format_args!("is of the type {kind:#06x}, which is neither RSA nor ECC")));
        }
        let Some(name_bank) = Bank::of_algorithm(name_hash) else {
            return Err(cursor.error(format_args!("its name has the unknown hash {name_hash:#06x}")));
        };
        suited(attributes)?;
        cursor.counted_u16_be(Bank::Sha512.digest_len())?;
        // Only a storage key has a cipher.
        if cursor.u16_be()? != NULL {
            return Err(cursor
                .error("has a cipher, so it is a storage key")
                .hint("quotes are signed by an attestation key"));
        }
        let scheme = Scheme::read(&mut cursor)?;
        if scheme.is_some_and(|scheme| (scheme.algorithm == SignatureAlgorithm::Ecdsa) != (kind == ECC)) {
            return Err(cursor.error("its signature scheme does not fit its type"));
        }
        let material = if kind == RSA { rsa(&mut cursor)? } else { ecc(&mut cursor)? };
        cursor.end()?;
        let name = [&name_hash.to_be_bytes(), name_bank.digest(bytes).as_bytes()].concat();
        Ok(Self { material, scheme, name })
    }
}

/// Checks the attributes. If the key is not restricted, a user of the key can sign a forged quote. If the key can leave its
/// TPM, another machine can sign with it.
fn suited(attributes: u32) -> Result<()> {
    let is_set = |bit: u32| attributes & bit != 0;
    let table = [
        (is_set(SIGN), "does not sign (sign is not set)"),
        (is_set(RESTRICTED), "signs any message (restricted is not set)"),
        (is_set(FIXED_TPM), "can leave its TPM (fixedTPM is not set)"),
        (is_set(FIXED_PARENT), "can leave its parent (fixedParent is not set)"),
        (is_set(SENSITIVE_DATA_ORIGIN), "was not made by its TPM (sensitiveDataOrigin is not set)"),
        (!is_set(DECRYPT), "also decrypts (decrypt is set)"),
        (!is_set(ENCRYPTED_DUPLICATION), "has copies (encryptedDuplication is set)"),
    ];
    match table.into_iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, fault)) => {
            let error = Error::new("key", format_args!("{fault}: its signature does not prove a quote"));
            Err(error.hint("tpm2_createak makes an attestation key"))
        }
    }
}

fn rsa(cursor: &mut Cursor) -> Result<KeyMaterial> {
    let (bits, exponent) = (cursor.u16_be()?, cursor.u32_be()?);
    let modulus = cursor.counted_u16_be(MODULUS)?;
    if modulus.len() * 8 != usize::from(bits) {
        return Err(cursor.error(format_args!("a key of {bits} bits has a modulus of {} bytes", modulus.len())));
    }
    KeyMaterial::rsa(modulus, if exponent == 0 { EXPONENT } else { exponent })
}

fn ecc(cursor: &mut Cursor) -> Result<KeyMaterial> {
    let curve = cursor.u16_be()?;
    if cursor.u16_be()? != NULL {
        return Err(cursor.error("derives keys (its kdf is set)"));
    }
    let point = Point { x: cursor.counted_u16_be(COORDINATE)?, y: cursor.counted_u16_be(COORDINATE)? };
    match curve {
        P256 => KeyMaterial::p256(point),
        P384 => KeyMaterial::p384(point),
        _ => Err(cursor.error(format_args!("is on the curve {curve:#06x}, which is neither P-256 nor P-384"))),
    }
}
