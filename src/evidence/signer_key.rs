//! The public key of the person who signs a list of trusted images. It is not the key of a TPM.

use ed25519_dalek::Signature as EdSignature;
use p256::ecdsa::signature::Verifier;
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};

use super::pem;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The public key of a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignerKey {
    /// ECDSA on P-256, with SHA-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECDSA on P-384, with SHA-384.
    P384(p384::ecdsa::VerifyingKey),
    /// Ed25519 (RFC 8032).
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl SignerKey {
    /// Parses what `openssl pkey -pubout` writes: `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7) in PEM or DER.
    ///
    /// # Errors
    /// If it is anything else, also a certificate: nobody checked who signed that. If the key is of another type.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let der = if pem::is_pem(bytes) { pem::public_key(bytes)? } else { bytes.to_vec() };
        let p256 = || p256::ecdsa::VerifyingKey::from_public_key_der(&der).ok().map(Self::P256);
        let p384 = || p384::ecdsa::VerifyingKey::from_public_key_der(&der).ok().map(Self::P384);
        let ed25519 = || ed25519_dalek::VerifyingKey::from_public_key_der(&der).ok().map(Self::Ed25519);
        p256().or_else(p384).or_else(ed25519).ok_or_else(|| {
            if pem::has_explicit_curve(&der) {
                return Error::new("key", pem::EXPLICIT_CURVE)
                    .hint("openssl ec -pubin -in KEY -param_enc named_curve writes it with the name");
            }
            let cause = "is no public key of a signer: P-256, P-384 or Ed25519, in PEM or DER";
            Error::new("key", cause)
                .hint("openssl pkey -in KEY -pubout writes it; a certificate has to be checked first")
        })
    }

    /// The usual name of the key's type.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
        }
    }

    /// The SHA-256 digest of its `SubjectPublicKeyInfo`, which tells keys apart.
    ///
    /// # Errors
    /// If the key cannot be written.
    pub(crate) fn id(&self) -> Result<Vec<u8>> {
        let der = match self {
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::Ed25519(key) => key.to_public_key_der(),
        };
        let der = der.map_err(|error| Error::new("key", error))?;
        Ok(Bank::Sha256.digest(der.as_bytes()).as_bytes().to_vec())
    }

    /// Whether the key signed this message. A signature of ECDSA is two numbers in DER (RFC 3279, section 2.2.3), or one after the other, as
    /// browsers and some tokens write it (IEEE 1363); one of Ed25519 has 64 bytes.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .or_else(|_| p256::ecdsa::Signature::from_slice(signature))
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .or_else(|_| p384::ecdsa::Signature::from_slice(signature))
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            // The strict check leaves no second form of a signature, and no key that fits any message.
            Self::Ed25519(key) => {
                EdSignature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
        }
    }

    /// A signature of this key as COSE has it: ECDSA's two numbers one after the other, each as long as the curve's (RFC 9053, section 2.1).
    ///
    /// # Errors
    /// If it is no signature of such a key.
    pub(crate) fn plain(&self, signature: &[u8]) -> Result<Vec<u8>> {
        let wrong = |_| Error::new("signature", "is not two numbers in DER");
        match self {
            Self::P256(_) => p256::ecdsa::Signature::from_der(signature).map_err(wrong).map(|plain| plain.to_vec()),
            Self::P384(_) => p384::ecdsa::Signature::from_der(signature).map_err(wrong).map(|plain| plain.to_vec()),
            Self::Ed25519(_) => Ok(signature.to_vec()),
        }
    }
}
