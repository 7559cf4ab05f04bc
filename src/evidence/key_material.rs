//! The numbers of a public key.

use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, RsaPublicKey};

use super::library_words::of_crypto;
use crate::error::{Context, Error, Result};

/// The accepted sizes of RSA keys, in bits. A signature of a smaller key can be forged (NIST SP 800-131A, revision 2, section
/// 3). No TPM has larger keys.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why two numbers are no key.
const NO_POINT: &str = "is not on the curve";

/// The numbers of a public key, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyMaterial {
    /// RSA.
    Rsa(RsaPublicKey),
    /// ECC on the curve P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECC on the curve P-384.
    P384(p384::ecdsa::VerifyingKey),
}

impl KeyMaterial {
    /// An RSA key.
    ///
    /// # Errors
    /// If its numbers cannot be those of a key, or if its size is not accepted.
    pub(super) fn rsa(modulus: &[u8], exponent: u32) -> Result<Self> {
        Self::sized(&BoxedUint::from_be_slice_vartime(modulus), BoxedUint::from(exponent))
    }

    /// An RSA key, from large numbers.
    ///
    /// # Errors
    /// As for [`KeyMaterial::rsa`].
    pub(super) fn sized(modulus: &BoxedUint, exponent: BoxedUint) -> Result<Self> {
        // With the exponent 1, a signature is the padded digest itself, so anybody can write one. An even exponent is that of no key.
        if exponent.bits_vartime() < 2 || exponent.to_be_bytes().last().is_none_or(|last| last % 2 == 0) {
            let cause = "its exponent is 1 or an even number: RSA with it proves nothing, and no TPM makes such a key";
            return Err(
                Error::new("key", cause).hint("the usual exponent is 65537: take the key from the machine again")
            );
        }
        let (least, most) = RSA_BITS.into_inner();
        let key = RsaPublicKey::new_with_size_limits(modulus.clone(), exponent, RSA_BITS);
        key.map(Self::Rsa).about_hint("key", format_args!("RSA keys must have {least} to {most} bits"))
    }

    /// A key on P-256.
    ///
    /// # Errors
    /// If the point is not on the curve.
    pub(super) fn p256(point: Point) -> Result<Self> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point.sec1::<32>()?).map(Self::P256);
        of_crypto(key, "key: point on P-256", NO_POINT)
    }

    /// A key on P-384.
    ///
    /// # Errors
    /// If the point is not on the curve.
    pub(super) fn p384(point: Point) -> Result<Self> {
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point.sec1::<48>()?).map(Self::P384);
        of_crypto(key, "key: point on P-384", NO_POINT)
    }

    /// The usual name of the key's type.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA {}", key.n().bits_vartime()),
            Self::P256(_) => "ECC P-256".to_owned(),
            Self::P384(_) => "ECC P-384".to_owned(),
        }
    }
}

/// A point on a curve, as big-endian coordinates.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) x: &'a [u8],
    pub(super) y: &'a [u8],
}

impl Point<'_> {
    /// The point in uncompressed form, with coordinates of N bytes (SEC 1, section 2.3.3).
    fn sec1<const N: usize>(&self) -> Result<Vec<u8>> {
        Ok([&[4][..], &padded::<N>(self.x)?, &padded::<N>(self.y)?].concat())
    }
}

/// The number in N bytes. A TPM may leave out leading zeros.
///
/// # Errors
/// If the number is longer.
pub(super) fn padded<const N: usize>(number: &[u8]) -> Result<[u8; N]> {
    let mut all = [0; N];
    let Some(start) = N.checked_sub(number.len()) else {
        return Err(Error::new("number", format_args!("has {} bytes, but the curve's numbers have {N}", number.len())));
    };
    all[start..].copy_from_slice(number);
    Ok(all)
}
