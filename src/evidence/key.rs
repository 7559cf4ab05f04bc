//! The key that signed a quote, in each of the formats that tpm2-tools and tpm-quote-tools write.

use p256::pkcs8::DecodePublicKey;
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;

use super::certificate;
use super::key_material::KeyMaterial;
use super::pem;
use super::public::Public;
use super::scheme::{Scheme, SignatureAlgorithm};
use super::tpm12_key::{self, Tpm12Key};
use crate::error::{Error, Result};

/// How a saved context begins (tpm2-tools, lib/files.c, `MAGIC`).
const CONTEXT: [u8; 4] = [0xBA, 0xDC, 0xC0, 0xDE];

/// What the format of a key says about it. Anybody can write such a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A TPM 2.0 made it: it is fixed to the TPM, and signs only what the TPM made. This is its name there.
    Tpm20(Vec<u8>),
    /// It is the identity key of a TPM 1.2, which never leaves the TPM, and signs only what the TPM made.
    Tpm12,
    /// Nothing: it is in PEM or DER, or it is a public key of a TPM 1.2. Then it is not known whether the key signs only quotes.
    Unknown,
}

/// A key, with the properties that its format contains.
#[derive(Debug, Clone)]
pub struct Key {
    /// The numbers.
    pub(crate) material: KeyMaterial,
    /// Its signature scheme, if the key fixes one.
    pub(super) scheme: Option<Scheme>,
    /// What its format says about it.
    pub(crate) origin: Origin,
    /// Whether it comes from a certificate, which was not checked.
    pub(crate) is_certified: bool,
}

impl Key {
    /// Parses the file that `tpm2_createak --public` or `tpm2_readpublic --output` writes: `TPM2B_PUBLIC`, `TPMT_PUBLIC`, or
    /// `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) in PEM or DER. An X.509 certificate, or an RSA key of PKCS #1, is
    /// accepted in their place. Of a TPM 1.2, it is the public key or the key blob that `tpm_mkaik` writes.
    ///
    /// # Errors
    /// If it is none of them, or if the key is not accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if let Some(key) = Tpm12Key::parse(bytes) {
            return key.map(Self::of_tpm12);
        }
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

    /// Whether another one is the same key: by their names, or by their numbers if the form of one of them has no name.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self.name(), other.name()) {
            (Some(own), Some(other)) => own == other,
            _ => self.material == other.material,
        }
    }

    fn public(bytes: &[u8]) -> Result<Self> {
        let Public { material, scheme, name } = Public::parse(bytes)?;
        Ok(Self { material, scheme, origin: Origin::Tpm20(name), is_certified: false })
    }

    fn of_tpm12(Tpm12Key { material, is_identity }: Tpm12Key) -> Self {
        let origin = if is_identity { Origin::Tpm12 } else { Origin::Unknown };
        Self { material, scheme: Some(tpm12_key::SCHEME), origin, is_certified: false }
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
        Ok(Self { material, scheme: None, origin: Origin::Unknown, is_certified: certified.is_some() })
    }

    /// Whether the key says of itself that it cannot leave its TPM and signs only what the TPM made.
    pub(crate) fn is_of_a_tpm(&self) -> bool {
        self.origin != Origin::Unknown
    }

    /// Its name in a TPM 2.0.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        if let Origin::Tpm20(name) = &self.origin { Some(name) } else { None }
    }

    /// Checks that the key can sign a quote of a TPM 2.0. One in a form of a TPM 1.2 names the only scheme of such a TPM.
    ///
    /// # Errors
    /// If it cannot.
    pub(super) fn is_no_tpm12(&self) -> Result<()> {
        if self.scheme != Some(tpm12_key::SCHEME) || matches!(self.origin, Origin::Tpm20(_)) {
            return Ok(());
        }
        let error = Error::new("key", "is that of a TPM 1.2, so it cannot have signed the quote of a TPM 2.0");
        Err(error.hint(
            "give the file of tpm2_createak --public; for a TPM 1.2, leave --quote out, and give the file of tpm_getquote as --signature",
        ))
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
