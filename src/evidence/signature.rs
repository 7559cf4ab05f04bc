//! The signature of a quote, and whether it is the key's.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::traits::PublicKeyParts;
use sha2::digest::{Digest, FixedOutputReset, const_oid::AssociatedOid};
use sha2::{Sha256, Sha384, Sha512};

use super::key::{Key, Material, padded};
use super::scheme::{Scheme, Way};
use crate::cursor::Cursor;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;

/// The longest number of an RSA signature that is taken, and of an ECDSA one, in bytes.
const RSA: usize = 512;
const ECDSA: usize = 48;

/// A signature that was read, and not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// How it was made, where that is said.
    scheme: Option<Scheme>,
    numbers: Numbers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    Rsa(Vec<u8>),
    Ecdsa(Vec<u8>, Vec<u8>),
}

impl Signature {
    /// Reads what `tpm2_quote --signature` writes: `TPMT_SIGNATURE` (TPM 2.0 Library, Part 2, section 11.3.4), or with
    /// `--format plain` RSA's number as it is, and ECDSA's two in DER (RFC 3279, section 2.2.3).
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(bytes: &[u8], key: &Key) -> Result<Self> {
        // A TPM's scheme is a smaller number than the beginning of DER, and a TPM's form longer than the plain one.
        let plain = match &key.material {
            Material::Rsa(key) if bytes.len() == key.size() => Some(Numbers::Rsa(bytes.to_vec())),
            Material::P256(_) if bytes.first() == Some(&0x30) => {
                let (r, s) = p256::ecdsa::Signature::from_der(bytes).about("signature")?.split_bytes();
                Some(Numbers::Ecdsa(r.to_vec(), s.to_vec()))
            }
            Material::P384(_) if bytes.first() == Some(&0x30) => {
                let (r, s) = p384::ecdsa::Signature::from_der(bytes).about("signature")?.split_bytes();
                Some(Numbers::Ecdsa(r.to_vec(), s.to_vec()))
            }
            _ => None,
        };
        if let Some(numbers) = plain {
            return Ok(Self { scheme: None, numbers });
        }
        let mut cursor = Cursor::new("signature", bytes);
        let Some(scheme) = Scheme::take(&mut cursor)? else {
            return Err(cursor.error("says that nothing was signed"));
        };
        let numbers = match scheme.way {
            Way::RsaSsa | Way::RsaPss => Numbers::Rsa(cursor.counted_u16_be(RSA)?.to_vec()),
            Way::Ecdsa => {
                Numbers::Ecdsa(cursor.counted_u16_be(ECDSA)?.to_vec(), cursor.counted_u16_be(ECDSA)?.to_vec())
            }
        };
        cursor.end()?;
        Ok(Self { scheme: Some(scheme), numbers })
    }

    /// Checks that `key` signed `message`, whose own hash is `hash`.
    ///
    /// # Errors
    /// When it did not, or in a way that can be forged.
    pub fn check(&self, key: &Key, message: &[u8], hash: Bank) -> Result<Scheme> {
        let ways = match (&self.scheme, &key.scheme, &self.numbers) {
            (Some(scheme), ..) | (None, Some(scheme), _) => vec![*scheme],
            // Nobody says how.
            (None, None, Numbers::Rsa(_)) => [Way::RsaSsa, Way::RsaPss].map(|way| Scheme { way, hash }).to_vec(),
            (None, None, Numbers::Ecdsa(..)) => vec![Scheme { way: Way::Ecdsa, hash }],
        };
        let digest = hash.digest(message);
        for scheme in ways {
            key.admits(scheme)?;
            if scheme.hash == Bank::Sha1 {
                let error = Error::new("signature", "with SHA-1, for which a second message can be found");
                return Err(error.hint("quote with tpm2_quote --hash-algorithm sha256"));
            }
            if scheme.hash != hash {
                let cause = format!("{scheme}, where the digest in the quote is one of {hash}");
                return Err(Error::new("signature", cause));
            }
            if self.fits(&key.material, scheme, digest.as_bytes())? {
                return Ok(scheme);
            }
        }
        let error = Error::new("signature", "is not that of this key for this quote");
        Err(error.hint("one of the three was changed, or is another machine's"))
    }

    fn fits(&self, key: &Material, scheme: Scheme, digest: &[u8]) -> Result<bool> {
        Ok(match (key, &self.numbers) {
            (Material::Rsa(key), Numbers::Rsa(number)) => match scheme.hash {
                Bank::Sha1 => false,
                Bank::Sha256 => rsa::<Sha256>(key, scheme.way, digest, number),
                Bank::Sha384 => rsa::<Sha384>(key, scheme.way, digest, number),
                Bank::Sha512 => rsa::<Sha512>(key, scheme.way, digest, number),
            },
            (Material::P256(key), Numbers::Ecdsa(r, s)) => {
                let signature = p256::ecdsa::Signature::from_scalars(padded::<32>(r)?, padded::<32>(s)?);
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            }
            (Material::P384(key), Numbers::Ecdsa(r, s)) => {
                let signature = p384::ecdsa::Signature::from_scalars(padded::<48>(r)?, padded::<48>(s)?);
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            }
            (Material::Rsa(_), Numbers::Ecdsa(..)) | (_, Numbers::Rsa(_)) => false,
        })
    }
}

fn rsa<D: Digest + AssociatedOid + FixedOutputReset>(
    key: &rsa::RsaPublicKey,
    way: Way,
    digest: &[u8],
    number: &[u8],
) -> bool {
    let done = match way {
        Way::RsaSsa => key.verify(Pkcs1v15Sign::new::<D>(), digest, number),
        // TPMs differ in the length of the salt: as long as fits, or that of the hash (TPM 2.0 Library, Part 1, annex B.7).
        Way::RsaPss => key.verify(Pss { salt_len: None, ..Pss::<D>::new() }, digest, number),
        Way::Ecdsa => return false,
    };
    done.is_ok()
}
