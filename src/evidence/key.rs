//! The key that signed a quote, in each of the formats that tpm2-tools write.

use p256::pkcs8::DecodePublicKey;
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;

use super::certificate;
use super::key_material::KeyMaterial;
use super::pem;
use super::public::Public;
use super::scheme::{Scheme, SignatureAlgorithm};
use crate::error::{Error, Result};

/// How a saved context begins (tpm2-tools, lib/files.c, `MAGIC`).
const CONTEXT: [u8; 4] = [0xBA, 0xDC, 0xC0, 0xDE];

/// A key, with the properties that its format contains.
#[derive(Debug, Clone)]
pub struct Key {
    /// The numbers.
    pub(crate) material: KeyMaterial,
    /// Its signature scheme, if the key fixes one.
    pub(super) scheme: Option<Scheme>,
    /// Its name in the TPM. `None` for a key in PEM or DER: then it is not known either whether the key signs only quotes.
    pub(crate) name: Option<Vec<u8>>,
    /// Whether it comes from a certificate, which was not checked.
    pub(crate) is_certified: bool,
}

impl Key {
    /// Parses the file that `tpm2_createak --public` or `tpm2_readpublic --output` writes: `TPM2B_PUBLIC`, `TPMT_PUBLIC`, or
    /// `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) in PEM or DER. An X.509 certificate, or an RSA key of PKCS #1, is
    /// accepted in their place.
    ///
    /// # Errors
    /// If it is none of them, or if the key is not accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match bytes {
            _ if bytes.starts_with(&CONTEXT) => {
                Err(Error::new("key", "is a context of tpm2-tools (-c), not a public key").hint(
                    "give the file of tpm2_createak --public, or make one: tpm2_readpublic -c FILE --output ak.pub",
                ))
            }
            // The TPM's two formats begin with a length or a type, whose first byte is smaller than any letter.
            [first, second, public @ ..] if usize::from(u16::from_be_bytes([*first, *second])) == public.len() => {
                Self::public(public)
            }
            _ if pem::is_pem(bytes) => Self::der(&pem::public_key(bytes)?),
            [0x30, ..] => Self::der(bytes),
            public => Self::public(public),
        }
    }

    fn public(bytes: &[u8]) -> Result<Self> {
        let Public { material, scheme, name } = Public::parse(bytes)?;
        Ok(Self { material, scheme, name: Some(name), is_certified: false })
    }

    fn der(bytes: &[u8]) -> Result<Self> {
        let certified = certificate::public_key(bytes);
        let key = certified.unwrap_or(bytes);
        let rsa = || RsaPublicKey::from_public_key_der(key).ok().map(KeyMaterial::Rsa);
        let pkcs1 = || RsaPublicKey::from_pkcs1_der(key).ok().map(KeyMaterial::Rsa);
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(key).ok().map(KeyMaterial::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(key).ok().map(KeyMaterial::P384);
        let material = match rsa().or_else(p256).or_else(p384).or_else(pkcs1) {
            Some(KeyMaterial::Rsa(key)) => KeyMaterial::sized(key.n().as_ref(), key.e().clone())?,
            Some(material) => material,
            None => return Err(Error::new("key", "is neither RSA nor ECC on P-256 or P-384")),
        };
        Ok(Self { material, scheme: None, name: None, is_certified: certified.is_some() })
    }

    /// Checks that the key signs with `scheme`.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn admits(&self, scheme: Scheme) -> Result<()> {
        let ecc = !matches!(self.material, KeyMaterial::Rsa(_));
        if (scheme.algorithm == SignatureAlgorithm::Ecdsa) != ecc {
            return Err(Error::new(
                "signature",
                format_args!("is {scheme}, but a key of this type does not sign with it"),
            ));
        }
        match self.scheme {
            Some(own) if own != scheme => {
                Err(Error::new("signature", format_args!("is {scheme}, but the key only signs with {own}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_context_in_place_of_a_key_is_named() {
        let context = [&CONTEXT[..], &[0; 60]].concat();
        let error = Key::parse(&context).unwrap_err().to_string();
        assert!(error.starts_with("key: is a context of tpm2-tools"), "{error}");
    }
}
