//! The private key of the person who signs reference values. The libraries clear it from memory when it is dropped.

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey, SecretDocument};

use super::library_words::of_crypto;
use super::pem;
use super::signer::Signer;
use super::signer_key::SignerKey;
use crate::error::{Error, Result};

const HINT: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes such a key";

/// The error of a file that is not text.
fn no_text(bytes: &[u8]) -> Error {
    let error = Error::new("private key", "is no PEM: it is not text");
    match bytes {
        [0x30, ..] => error.hint("is it DER? --sign <(openssl pkey -inform DER -in KEY) gives it as PEM"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            error.hint("is it UTF-16, as some editors and shells of Windows write it? Write it as UTF-8")
        }
        _ => error.hint(HINT),
    }
}

/// The error of a block that has a key in a form that is not read.
fn other_form(label: &str, body: &str) -> Option<Error> {
    let error = |cause: &str| Error::new("private key", cause);
    if label.contains("SIGSTORE") || label.contains("COSIGN") {
        let hint = "make a key with openssl genpkey, and give cosign a copy (cosign import-key-pair) if it shall sign with it, too";
        return Some(error("is in the form of cosign, which encrypts it in its own way").hint(hint));
    }
    if label.contains("OPENSSH") {
        return Some(error("is in the form of OpenSSH").hint(HINT));
    }
    if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
        let hint = "give it without one through a pipe: --sign <(openssl pkey -in KEY)";
        return Some(error("is encrypted, and its password is not asked for").hint(hint));
    }
    if body.contains("\\n") {
        let hint = "write the variable that has it with printf '%b'";
        return Some(error("has the two characters \\n in place of each line end").hint(hint));
    }
    None
}

/// A private key. What it prints for a programmer has no part of the key.
#[derive(Debug)]
pub enum SigningKey {
    /// ECDSA on P-256, with SHA-256.
    P256(p256::ecdsa::SigningKey),
    /// ECDSA on P-384, with SHA-384.
    P384(p384::ecdsa::SigningKey),
    /// Ed25519 (RFC 8032).
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// Parses a file in PEM: `PRIVATE KEY` (PKCS #8, RFC 5958) or `EC PRIVATE KEY` (SEC 1, RFC 5915).
    ///
    /// # Errors
    /// If it is neither, if it is encrypted, or if the key is of another type.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|_| no_text(bytes))?;
        let blocks = || {
            text.match_indices("-----BEGIN ").filter_map(|(at, begin)| {
                let (label, rest) = text[at + begin.len()..].split_once("-----")?;
                Some((label, rest))
            })
        };
        // openssl ecparam -genkey puts the curve's name before the key.
        let mut keys = blocks().filter(|(label, _)| label.ends_with("PRIVATE KEY"));
        let Some((label, rest)) = keys.next() else {
            let cause = match blocks().next() {
                Some((label, _)) => format!("there is PEM of {label:?}, not of \"PRIVATE KEY\""),
                None => "is no PEM of \"PRIVATE KEY\"".to_owned(),
            };
            return Err(Error::new("private key", cause).hint(HINT));
        };
        if keys.next().is_some() {
            return Err(Error::new("private key", "the file has several keys").hint("give the key that signs, alone"));
        }
        let Some((body, _)) = rest.split_once(&format!("-----END {label}-----")) else {
            return Err(Error::new("private key", format!("the block {label:?} has no end")).hint("was it cut off?"));
        };
        if let Some(error) = other_form(label, body) {
            return Err(error);
        }
        let block = pem::in_lines(label, body);
        let pem = SecretDocument::from_pem(&block);
        let (_, document) = of_crypto(pem, "private key: PEM", "the block is no base64, or is not complete")?;
        let der = document.as_bytes();
        let key = match label {
            "PRIVATE KEY" => Self::pkcs8(der),
            "EC PRIVATE KEY" => Self::sec1(der),
            _ => None,
        };
        key.ok_or_else(|| {
            if pem::has_explicit_curve(der) {
                return Error::new("private key", pem::EXPLICIT_CURVE)
                    .hint("give it with the name: --sign <(openssl ec -in KEY -param_enc named_curve)");
            }
            Error::new("private key", "is of another type than P-256, P-384 or Ed25519").hint(HINT)
        })
    }

    fn pkcs8(der: &[u8]) -> Option<Self> {
        let p256 = || p256::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::P256);
        let p384 = || p384::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::P384);
        let ed25519 = || ed25519_dalek::SigningKey::from_pkcs8_der(der).ok().map(Self::Ed25519);
        p256().or_else(p384).or_else(ed25519)
    }

    fn sec1(der: &[u8]) -> Option<Self> {
        let p256 = || p256::SecretKey::from_sec1_der(der).ok().map(|key| Self::P256(key.into()));
        let p384 = || p384::SecretKey::from_sec1_der(der).ok().map(|key| Self::P384(key.into()));
        p256().or_else(p384)
    }
}

impl Signer for SigningKey {
    fn public(&self) -> SignerKey {
        match self {
            Self::P256(key) => SignerKey::P256(*key.verifying_key()),
            Self::P384(key) => SignerKey::P384(*key.verifying_key()),
            Self::Ed25519(key) => SignerKey::Ed25519(key.verifying_key()),
        }
    }

    /// The same message has the same signature: ECDSA takes its secret number from the key and the message (RFC 6979), so that a bad source of
    /// random numbers reveals no key.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_vec(),
        })
    }
}
