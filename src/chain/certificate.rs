//! An X.509 certificate (RFC 5280, section 4.1), as far as a chain of certificates needs it.

use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;

use super::der::{BITS, Elements, INTEGER, OID, SEQUENCE, context};
use super::rsa_signature;
use crate::error::Result;
use crate::hash::bank::Bank;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    /// All its bytes.
    pub(super) whole: &'a [u8],
    /// What its issuer signed.
    signed: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    ///
    /// # Errors
    /// If the bytes are none, or if bytes are behind it.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut outer = Elements::new("certificate", bytes);
        let mut whole = outer.nested(SEQUENCE)?;
        if !outer.is_empty() {
            return Err(outer.error("has bytes behind it"));
        }
        let signed = whole.tagged(SEQUENCE)?;
        let algorithm = whole.nested(SEQUENCE)?.tagged(OID)?.value;
        // The first byte counts the bits that are left out.
        let signature = whole.tagged(BITS)?.value.get(1..).unwrap_or_default();
        let mut fields = Elements::new("certificate", signed.value);
        fields.optional(context(0))?; // The version.
        let serial = fields.tagged(INTEGER)?.value;
        fields.skip()?; // The algorithm, once more.
        let issuer = fields.tagged(SEQUENCE)?.whole;
        fields.skip()?; // How long it is valid: firmware does not look (edk2, `X509_V_FLAG_NO_CHECK_TIME`).
        let (subject, key) = (fields.tagged(SEQUENCE)?.whole, fields.tagged(SEQUENCE)?.whole);
        Ok(Self { whole: bytes, signed: signed.whole, serial, issuer, subject, key, algorithm, signature })
    }

    /// Its key, if it is an RSA key: firmware knows no other.
    pub(super) fn key(&self) -> Option<RsaPublicKey> {
        RsaPublicKey::from_public_key_der(self.key).ok()
    }

    /// Whether the holder of `issuer` signed it.
    pub(super) fn is_signed_by(&self, issuer: &Certificate<'_>) -> bool {
        let bank = rsa_signature::bank_of_signature(self.algorithm);
        let (Some(bank), true, Some(key)) = (bank, self.issuer == issuer.subject, issuer.key()) else { return false };
        rsa_signature::is_valid(&key, bank, self.signed, self.signature)
    }

    /// The digest by which dbx names it (UEFI 2.10, section 32.4.1, `EFI_CERT_X509_SHA256`).
    pub(super) fn digest(&self, bank: Bank) -> crate::hash::digest::Digest {
        bank.digest(self.signed)
    }
}
