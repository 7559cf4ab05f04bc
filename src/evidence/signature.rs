//! The signature of a quote, and the check that a key made it.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::digest::{Digest, FixedOutputReset, const_oid::AssociatedOid};
use sha2::{Sha256, Sha384, Sha512};

use super::key::Key;
use super::key_material::{KeyMaterial, padded};
use super::library_words::of_crypto;
use super::scheme::{Scheme, SignatureAlgorithm};
use super::tpm12_key;
use crate::count::counted;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest;

/// The longest number of an RSA signature, and of an ECDSA signature, in bytes.
const RSA: usize = 512;
const ECDSA: usize = 48;
/// Why plain bytes are no signature of ECDSA.
const NO_DER: &str = "is no ECDSA signature: it has to be two numbers in DER";

/// A signature that was parsed and not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its scheme, if the format contains it.
    scheme: Option<Scheme>,
    numbers: Numbers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    Rsa(Vec<u8>),
    Ecdsa(Vec<u8>, Vec<u8>),
}

impl Signature {
    /// Parses the file that `tpm2_quote --signature` writes: `TPMT_SIGNATURE` (TPM 2.0 Library, Part 2, section 11.3.4). With
    /// `--format plain` it is RSA's number without a frame, or ECDSA's two numbers in DER (RFC 3279, section 2.2.3).
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(bytes: &[u8], key: &Key) -> Result<Self> {
        // TPMT_SIGNATURE begins with a smaller byte than DER, and is longer than RSA's plain number.
        let plain = match &key.material {
            KeyMaterial::Rsa(key) if bytes.len() == key.size() => Some(Numbers::Rsa(bytes.to_vec())),
            KeyMaterial::P256(_) if bytes.first() == Some(&0x30) => {
                let (r, s) = of_crypto(p256::ecdsa::Signature::from_der(bytes), "signature", NO_DER)?.split_bytes();
                Some(Numbers::Ecdsa(r.to_vec(), s.to_vec()))
            }
            KeyMaterial::P384(_) if bytes.first() == Some(&0x30) => {
                let (r, s) = of_crypto(p384::ecdsa::Signature::from_der(bytes), "signature", NO_DER)?.split_bytes();
                Some(Numbers::Ecdsa(r.to_vec(), s.to_vec()))
            }
            _ => None,
        };
        if let Some(numbers) = plain {
            return Ok(Self { scheme: None, numbers });
        }
        let mut cursor = Cursor::new("signature", bytes);
        let Some(scheme) = Scheme::read(&mut cursor)? else {
            return Err(cursor.error("has no scheme, so nothing was signed"));
        };
        let numbers = match scheme.algorithm {
            SignatureAlgorithm::RsaSsa | SignatureAlgorithm::RsaPss => {
                Numbers::Rsa(cursor.counted_u16_be(RSA)?.to_vec())
            }
            SignatureAlgorithm::Ecdsa => {
                Numbers::Ecdsa(cursor.counted_u16_be(ECDSA)?.to_vec(), cursor.counted_u16_be(ECDSA)?.to_vec())
            }
        };
        cursor.end()?;
        Ok(Self { scheme: Some(scheme), numbers })
    }

    /// Takes the file that `tpm_getquote` writes for a TPM 1.2: RSA's number without a frame.
    ///
    /// # Errors
    /// If it is as long as no signature of this key.
    pub(super) fn of_tpm12(bytes: &[u8], key: &Key) -> Result<Self> {
        match &key.material {
            KeyMaterial::Rsa(key) if bytes.len() == key.size() => {
                Ok(Self { scheme: Some(tpm12_key::SCHEME), numbers: Numbers::Rsa(bytes.to_vec()) })
            }
            KeyMaterial::Rsa(key) => {
                let cause = format!("has {}, but one of this key has {}", counted(bytes.len(), "byte"), key.size());
                Err(Error::new("signature", cause).hint("is it the file that tpm_getquote wrote?"))
            }
            KeyMaterial::P256(_) | KeyMaterial::P384(_) => {
                Err(Error::new("signature", "cannot be by this key: a TPM 1.2 has RSA alone"))
            }
        }
    }

    /// Checks that `key` signed `message`, a quote with the hash algorithm `hash`. Returns the scheme.
    ///
    /// # Errors
    /// If it did not, or if the scheme can be forged.
    pub fn check(&self, key: &Key, message: &[u8], hash: Bank) -> Result<Scheme> {
        let schemes = match (&self.scheme, &key.scheme, &self.numbers) {
            (Some(scheme), ..) | (None, Some(scheme), _) => vec![*scheme],
            // Neither names a scheme, so every scheme of the key's type is tried.
            (None, None, Numbers::Rsa(_)) => [SignatureAlgorithm::RsaSsa, SignatureAlgorithm::RsaPss]
                .map(|algorithm| Scheme { algorithm, hash })
                .to_vec(),
            (None, None, Numbers::Ecdsa(..)) => vec![Scheme { algorithm: SignatureAlgorithm::Ecdsa, hash }],
        };
        let digest = hash.digest(message);
        for scheme in schemes {
            key.admits(scheme)?;
            if scheme.hash == Bank::Sha1 {
                return Err(of_sha1());
            }
            if scheme.hash != hash {
                return Err(of_other_hash(scheme, hash));
            }
            if self.fits(&key.material, scheme, &digest)? {
                return Ok(scheme);
            }
        }
        Err(self.misfit(key, message, hash))
    }

    /// Why the key did not sign the message with this hash algorithm. A plain signature does not name its own, so each other one is tried.
    fn misfit(&self, key: &Key, message: &[u8], hash: Bank) -> Error {
        let others = Bank::ALL.into_iter().filter(|&other| self.scheme.is_none() && other != hash);
        let algorithms = [SignatureAlgorithm::RsaSsa, SignatureAlgorithm::RsaPss, SignatureAlgorithm::Ecdsa];
        let mut schemes = others.flat_map(|hash| algorithms.map(|algorithm| Scheme { algorithm, hash }));
        let is_it = |scheme: &Scheme| {
            key.admits(*scheme).is_ok()
                && self.fits(&key.material, *scheme, &scheme.hash.digest(message)).is_ok_and(|fits| fits)
        };
        match schemes.find(is_it) {
            Some(Scheme { hash: Bank::Sha1, .. }) => of_sha1(),
            Some(scheme) => of_other_hash(scheme, hash),
            None => Error::new("signature", "is not that of this key for this quote")
                .hint("one of the three was changed, or is from another machine"),
        }
    }

    /// Whether `key` signed `message` with the scheme of a TPM 1.2.
    pub(super) fn is_of_tpm12(&self, key: &Key, message: &[u8]) -> bool {
        self.fits(&key.material, tpm12_key::SCHEME, &Bank::Sha1.digest(message)).is_ok_and(|fits| fits)
    }

    fn fits(&self, key: &KeyMaterial, scheme: Scheme, digest: &digest::Digest) -> Result<bool> {
        Ok(match (key, &self.numbers) {
            (KeyMaterial::Rsa(key), Numbers::Rsa(number)) => match scheme.hash {
                Bank::Sha1 => rsa::<Sha1>(key, scheme.algorithm, digest, number),
                Bank::Sha256 => rsa::<Sha256>(key, scheme.algorithm, digest, number),
                Bank::Sha384 => rsa::<Sha384>(key, scheme.algorithm, digest, number),
                Bank::Sha512 => rsa::<Sha512>(key, scheme.algorithm, digest, number),
            },
            (KeyMaterial::P256(key), Numbers::Ecdsa(r, s)) => {
                let signature = p256::ecdsa::Signature::from_scalars(padded::<32>(r)?, padded::<32>(s)?);
                signature.is_ok_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok())
            }
            (KeyMaterial::P384(key), Numbers::Ecdsa(r, s)) => {
                let signature = p384::ecdsa::Signature::from_scalars(padded::<48>(r)?, padded::<48>(s)?);
                signature.is_ok_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok())
            }
            (KeyMaterial::Rsa(_), Numbers::Ecdsa(..)) | (_, Numbers::Rsa(_)) => false,
        })
    }
}

/// The error about a signature that uses SHA-1.
fn of_sha1() -> Error {
    let error = Error::new("signature", "uses SHA-1: an attacker can make two quotes with the same digest");
    error.hint("quote with tpm2_quote --hash-algorithm sha256")
}

/// The error about a signature with this scheme, of a quote with the hash algorithm `hash`.
fn of_other_hash(scheme: Scheme, hash: Bank) -> Error {
    Error::new("signature", format_args!("is {scheme}, but the digest in the quote is a {hash} digest"))
}

/// Whether `number` is the RSA signature of `digest`, a digest of the hash algorithm `D`.
fn rsa<D: Digest + AssociatedOid + FixedOutputReset>(
    key: &rsa::RsaPublicKey,
    algorithm: SignatureAlgorithm,
    digest: &digest::Digest,
    number: &[u8],
) -> bool {
    let digest = digest.as_bytes();
    let checked = match algorithm {
        SignatureAlgorithm::RsaSsa => key.verify(Pkcs1v15Sign::new::<D>(), digest, number),
        // The salt is as long as fits or as long as the digest. TPMs differ (TPM 2.0 Library, Part 1, annex B.7).
        SignatureAlgorithm::RsaPss => key.verify(Pss { salt_len: None, ..Pss::<D>::new() }, digest, number),
        SignatureAlgorithm::Ecdsa => return false,
    };
    checked.is_ok()
}
