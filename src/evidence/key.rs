//! The key that a quote is signed with, whatever form it comes in.

use p256::pkcs8::{DecodePublicKey, Document};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPublicKey};

use super::public::Public;
use super::scheme::{Scheme, Way};
use crate::error::{Context, Error, Result};

/// The sizes of RSA keys that are taken, in bits: below, a signature can be forged (NIST SP 800-131A, revision 2, section
/// 3); TPMs have none above.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The numbers of a public key.
#[derive(Debug, Clone)]
pub enum Material {
    /// RSA.
    Rsa(RsaPublicKey),
    /// ECC on the curve P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECC on the curve P-384.
    P384(p384::ecdsa::VerifyingKey),
}

/// A key, with as much as is known of it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The numbers.
    pub material: Material,
    /// How it signs, where that is laid down.
    pub scheme: Option<Scheme>,
    /// Its name in the TPM; not known of a key that does not come in the TPM's form, and neither is then whether it signs
    /// quotes alone.
    pub name: Option<Vec<u8>>,
}

impl Key {
    /// Reads what `tpm2_createak --public` or `tpm2_readpublic --output` writes: `TPM2B_PUBLIC`, `TPMT_PUBLIC`, or
    /// `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) in PEM or DER.
    ///
    /// # Errors
    /// When it is none of them, or a key that is not taken.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match bytes {
            // The TPM's two forms have a length or a small number in front.
            [b'-', ..] => Self::pem(bytes),
            [0x30, ..] => Self::der(bytes),
            [first, second, public @ ..] if usize::from(u16::from_be_bytes([*first, *second])) == public.len() => {
                Self::public(public)
            }
            public => Self::public(public),
        }
    }

    fn public(bytes: &[u8]) -> Result<Self> {
        let Public { material, scheme, name } = Public::parse(bytes)?;
        Ok(Self { material, scheme, name: Some(name) })
    }

    fn pem(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).about("key")?;
        let (label, der) = Document::from_pem(text).about_hint("key", "PEM that ends behind its last line?")?;
        if label != "PUBLIC KEY" {
            return Err(Error::new("key", format!("PEM of \"{label}\", not of \"PUBLIC KEY\"")));
        }
        Self::der(der.as_bytes())
    }

    fn der(bytes: &[u8]) -> Result<Self> {
        let rsa = || RsaPublicKey::from_public_key_der(bytes).ok().map(Material::Rsa);
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(bytes).ok().map(Material::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(bytes).ok().map(Material::P384);
        match rsa().or_else(p256).or_else(p384) {
            Some(Material::Rsa(key)) => {
                Ok(Self { material: Material::sized(key.n().as_ref(), key.e().clone())?, scheme: None, name: None })
            }
            Some(material) => Ok(Self { material, scheme: None, name: None }),
            None => Err(Error::new("key", "neither RSA nor ECC on P-256 or P-384")),
        }
    }

    /// Whether the signature's scheme can be this key's.
    ///
    /// # Errors
    /// When it cannot.
    pub fn admits(&self, scheme: Scheme) -> Result<()> {
        let ecc = !matches!(self.material, Material::Rsa(_));
        if (scheme.way == Way::Ecdsa) != ecc {
            return Err(Error::new("signature", format!("{scheme}, which a key of this type does not sign with")));
        }
        match self.scheme {
            Some(own) if own != scheme => {
                Err(Error::new("signature", format!("{scheme}, where the key signs with {own} alone")))
            }
            _ => Ok(()),
        }
    }
}

impl Material {
    /// An RSA key.
    ///
    /// # Errors
    /// When its numbers cannot be a key's, or its size is not taken.
    pub fn rsa(modulus: &[u8], exponent: u32) -> Result<Self> {
        Self::sized(&BoxedUint::from_be_slice_vartime(modulus), BoxedUint::from(exponent))
    }

    fn sized(modulus: &BoxedUint, exponent: BoxedUint) -> Result<Self> {
        let (least, most) = RSA_BITS.into_inner();
        let key = RsaPublicKey::new_with_size_limits(modulus.clone(), exponent, RSA_BITS);
        key.map(Self::Rsa).about_hint("key", format!("RSA keys of {least} to {most} bits are taken"))
    }

    /// A point on P-256.
    ///
    /// # Errors
    /// When it is not on the curve.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<Self> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point::<32>(x, y)?).map(Self::P256).about("key: point on P-256")
    }

    /// A point on P-384.
    ///
    /// # Errors
    /// When it is not on the curve.
    pub fn p384(x: &[u8], y: &[u8]) -> Result<Self> {
        p384::ecdsa::VerifyingKey::from_sec1_bytes(&point::<48>(x, y)?).map(Self::P384).about("key: point on P-384")
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA {}", key.n().bits_vartime()),
            Self::P256(_) => "ECC P-256".to_owned(),
            Self::P384(_) => "ECC P-384".to_owned(),
        }
    }
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn point<const N: usize>(x: &[u8], y: &[u8]) -> Result<Vec<u8>> {
    Ok([&[4][..], &padded::<N>(x)?, &padded::<N>(y)?].concat())
}

/// A number of at most N bytes in N bytes: a TPM may leave out zeros in front.
///
/// # Errors
/// When it is longer.
pub fn padded<const N: usize>(number: &[u8]) -> Result<[u8; N]> {
    let mut all = [0; N];
    let Some(start) = N.checked_sub(number.len()) else {
        return Err(Error::new("number", format!("{} bytes long, where the curve's have {N}", number.len())));
    };
    all[start..].copy_from_slice(number);
    Ok(all)
}
