//! What signs reference values.

use std::fmt::Debug;

use super::signer_key::SignerKey;
use crate::error::Result;

/// A private key, wherever it is.
pub trait Signer: Debug {
    /// The public key that belongs to it.
    fn public(&self) -> SignerKey;

    /// The signature of a message, as OpenSSL writes it: ECDSA's two numbers in DER (RFC 3279, section 2.2.3), or the 64 bytes of Ed25519.
    ///
    /// # Errors
    /// If the key is not at hand.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}
