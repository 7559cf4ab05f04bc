//! What a register of machines needs to accept the attestation key of one: the file of `measureroot attest --enroll`, and the challenge that
//! the register answers with.

use serde::Serialize;

use crate::cursor::Cursor;
use crate::error::{Context, Error, Result};

/// The version of the format. It changes if a field changes its meaning or goes.
const VERSION: u32 = 1;
/// How a challenge begins: `MAGIC` of tpm2-tools, and the version of its format (tpm2-tools, lib/files.c, `files_write_header`).
const MAGIC: u32 = 0xbadc_c0de;
const CHALLENGE_VERSION: u32 = 1;
/// The longest `TPM2B_ID_OBJECT`, in bytes: an HMAC and a secret, each with its length, of at most 64 bytes (TPM 2.0 Library, Part 2, section
/// 12.4.2).
const LONGEST_BLOB: usize = 2 * (2 + 64);
/// The longest `TPM2B_ENCRYPTED_SECRET`: as long as an RSA key of 4096 bits (section 11.4.3).
const LONGEST_SECRET: usize = 512;

/// What the machine sends to the register.
#[derive(Debug, Serialize)]
pub(crate) struct Enrolment {
    #[serde(rename = "measureroot-enrolment")]
    version: u32,
    /// The attestation key, `TPM2B_PUBLIC` in hex. Its name is not here: the register has to compute it from the key, or a machine could give the
    /// name of another key, which is in a TPM.
    key: String,
    /// The endorsement key, `TPM2B_PUBLIC` in hex.
    endorsement_key: String,
    /// Its certificate by the maker of the TPM, DER in hex, if the TPM has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsement_certificate: Option<String>,
}

impl Enrolment {
    /// That of these keys, each in `TPM2B_PUBLIC`.
    ///
    /// # Errors
    /// If the certificate is for another key.
    pub(crate) fn new(key: &[u8], endorsement: &[u8], certificate: Option<&[u8]>) -> Result<Self> {
        if certificate.is_some_and(|certificate| !is_for(certificate, endorsement)) {
            let error =
                Error::new("endorsement certificate", "is for another key than the TPM makes of TCG's template");
            return Err(
                error.hint("ask the maker of the TPM for the template; use tpm2-tools as docs/evidence.md says")
            );
        }
        Ok(Self {
            version: VERSION,
            key: hex::encode(key),
            endorsement_key: hex::encode(endorsement),
            endorsement_certificate: certificate.map(hex::encode),
        })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self).about("JSON")? + "\n")
    }
}

/// Whether a certificate has the number at the end of this public area: the modulus of RSA, or the second coordinate of a point.
fn is_for(certificate: &[u8], public: &[u8]) -> bool {
    const NUMBER: usize = 32;
    let number = public.get(public.len().saturating_sub(NUMBER)..).unwrap_or_default();
    number.len() == NUMBER && certificate.windows(NUMBER).any(|window| window == number)
}

/// The register's challenge: a secret that only the TPM with both keys can decrypt, as `tpm2_makecredential --credential-blob` writes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// What `TPM2B_ID_OBJECT` has.
    pub blob: &'a [u8],
    /// What `TPM2B_ENCRYPTED_SECRET` has.
    pub secret: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// Parses the file.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor::new("challenge", bytes);
        if (cursor.u32_be()?, cursor.u32_be()?) != (MAGIC, CHALLENGE_VERSION) {
            return Err(cursor
                .error("does not begin as one")
                .hint("is it the file of tpm2_makecredential --credential-blob?"));
        }
        let (blob, secret) = (cursor.counted_u16_be(LONGEST_BLOB)?, cursor.counted_u16_be(LONGEST_SECRET)?);
        cursor.end()?;
        Ok(Self { blob, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_has_two_parts_and_no_more() {
        let whole = [&[0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1, 0, 2, 5, 6, 1, 0][..], &[7; 256]].concat();
        let challenge = Challenge::parse(&whole).unwrap();
        assert_eq!(challenge, Challenge { blob: &[5, 6], secret: &[7; 256] });
        for length in 0..whole.len() {
            assert!(Challenge::parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(Challenge::parse(&[&whole[..], &[0]].concat()).is_err());
        let error = Challenge::parse(&[0; 12]).unwrap_err().to_string();
        assert!(error.contains("is it the file of tpm2_makecredential"), "{error}");
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let (key, endorsement) = ([0, 2, 8, 8], [&[0, 40][..], &[1; 8], &[2; 32]].concat());
        let certificate = [&[0x30][..], &[2; 32], &[3]].concat();
        let text = Enrolment::new(&key, &endorsement, Some(&certificate)).unwrap().to_json().unwrap();
        assert!(
            text.contains("\"key\": \"00020808\"") && text.contains("\"endorsement_certificate\": \"3002"),
            "{text}"
        );
        assert!(!Enrolment::new(&key, &endorsement, None).unwrap().to_json().unwrap().contains("certificate"));
        let error = Enrolment::new(&key, &endorsement, Some(&certificate[..32])).unwrap_err().to_string();
        assert!(error.starts_with("endorsement certificate: is for another key"), "{error}");
    }
}
