//! The public part of an attestation key, as a TPM writes it: `TPMT_PUBLIC` (TPM 2.0 Library, Part 2, section 12.2.4).

use super::key::Material;
use super::scheme::{NULL, Scheme, Way};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// `TPM_ALG_RSA` and `TPM_ALG_ECC` (section 6.3).
const RSA: u16 = 0x0001;
const ECC: u16 = 0x0023;
/// `TPM_ECC_NIST_P256` and `TPM_ECC_NIST_P384` (section 6.4).
const P256: u16 = 0x0003;
const P384: u16 = 0x0004;
/// Longest modulus of the keys that are taken, and of a coordinate, in bytes.
const MODULUS: usize = 512;
const COORDINATE: usize = 48;
/// What an exponent of 0 stands for (section 12.2.3.5).
const EXPONENT: u32 = 65537;

/// Attributes (`TPMA_OBJECT`, section 8.3): the key cannot leave its TPM; it signs and decrypts nothing but what the TPM
/// itself made; it decrypts; it signs.
const FIXED_TPM: u32 = 1 << 1;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// A key with what its TPM vouches for.
#[derive(Debug, Clone)]
pub struct Public {
    /// The numbers.
    pub material: Material,
    /// How it signs, where that is laid down.
    pub scheme: Option<Scheme>,
    /// Its name: by this a credential is made for it, and a person can tell it from others.
    pub name: Vec<u8>,
}

impl Public {
    /// Reads `TPMT_PUBLIC`.
    ///
    /// # Errors
    /// When it is anything else, or a key whose quotes prove nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("key", bytes);
        let (kind, name_hash, attributes) = (cursor.u16_be()?, cursor.u16_be()?, cursor.u32_be()?);
        if kind != RSA && kind != ECC {
            return Err(cursor.error(format!("of the type {kind:#06x}, which is neither RSA nor ECC")));
        }
        let Some(name_bank) = Bank::of_algorithm(name_hash) else {
            return Err(cursor.error(format!("its name has the unknown hash {name_hash:#06x}")));
        };
        suited(attributes)?;
        cursor.counted_u16_be(Bank::Sha512.digest_len())?;
        // A key that signs has no cipher.
        if cursor.u16_be()? != NULL {
            return Err(cursor
                .error("has a cipher, so it is a storage key")
                .hint("quotes are signed by an attestation key"));
        }
        let scheme = Scheme::take(&mut cursor)?;
        if scheme.is_some_and(|scheme| (scheme.way == Way::Ecdsa) != (kind == ECC)) {
            return Err(cursor.error("its scheme is not one of its type"));
        }
        let material = if kind == RSA { rsa(&mut cursor)? } else { ecc(&mut cursor)? };
        cursor.end()?;
        let name = [&name_hash.to_be_bytes(), name_bank.digest(bytes).as_bytes()].concat();
        Ok(Self { material, scheme, name })
    }
}

/// With a key that is not restricted anybody who may use it signs what looks like a quote and is none; one that can leave
/// its TPM signs anywhere.
fn suited(attributes: u32) -> Result<()> {
    let is_set = |bit: u32| attributes & bit != 0;
    let table = [
        (is_set(SIGN), "does not sign (sign is not set)"),
        (is_set(RESTRICTED), "signs anything it is given (restricted is not set)"),
        (is_set(FIXED_TPM), "can leave its TPM (fixedTPM is not set)"),
        (!is_set(DECRYPT), "decrypts, too (decrypt is set)"),
    ];
    match table.into_iter().find(|(holds, _)| !holds) {
        None => Ok(()),
        Some((_, what)) => {
            let error = Error::new("key", format!("{what}: a signature of it proves no quote"));
            Err(error.hint("tpm2_createak makes an attestation key"))
        }
    }
}

fn rsa(cursor: &mut Cursor) -> Result<Material> {
    let (bits, exponent) = (cursor.u16_be()?, cursor.u32_be()?);
    let modulus = cursor.counted_u16_be(MODULUS)?;
    if modulus.len() * 8 != usize::from(bits) {
        return Err(cursor.error(format!("a modulus of {} bytes in a key of {bits} bits", modulus.len())));
    }
    Material::rsa(modulus, if exponent == 0 { EXPONENT } else { exponent })
}

fn ecc(cursor: &mut Cursor) -> Result<Material> {
    let curve = cursor.u16_be()?;
    if cursor.u16_be()? != NULL {
        return Err(cursor.error("derives keys (its kdf is set)"));
    }
    let (x, y) = (cursor.counted_u16_be(COORDINATE)?, cursor.counted_u16_be(COORDINATE)?);
    match curve {
        P256 => Material::p256(x, y),
        P384 => Material::p384(x, y),
        _ => Err(cursor.error(format!("on the curve {curve:#06x}, which is neither P-256 nor P-384"))),
    }
}
