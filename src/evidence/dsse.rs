//! A signed envelope: DSSE, the Dead Simple Signing Envelope, version 1 (github.com/secure-systems-lab/dsse, envelope.md and protocol.md).

use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::json_object::{self, Object};
use super::library_words;
use super::signer::Signer;
use super::signer_key::SignerKey;
use crate::error::{Context, Error, Result};

/// The type of a payload that is a statement of in-toto (in-toto attestation framework, spec/v1/envelope.md).
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The most signatures that are tried. Each costs as much as a short file has room for, so a file of them would take hours.
const MOST_SIGNATURES: usize = 16;

/// The envelope as it is written. An unknown field is an error: it could be meant to limit what is signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Object<JsonSignature>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonSignature {
    /// It is not signed. It only says which key may fit, so nothing here depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json_object::text")]
    keyid: Option<String>,
    sig: String,
}

/// What is signed: the type and the payload with their lengths, so that no other pair has the same bytes (`PAE` in protocol.md).
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), payload].concat()
}

/// Whether the text is JSON that has the fields of an envelope, well-formed or not.
pub(super) fn is_envelope(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"payloadType\"") && text.contains("\"signatures\"")
}

/// The envelope of a statement of in-toto.
///
/// # Errors
/// If the key is not at hand, or if it or the JSON cannot be written.
pub(super) fn sign(statement: &str, key: &dyn Signer) -> Result<String> {
    let signature = key.sign(&signed_bytes(IN_TOTO, statement.as_bytes()))?;
    let keyid = Some(hex::encode(key.public().id()?));
    let envelope = Envelope {
        payload_type: IN_TOTO.to_owned(),
        payload: Base64::encode_string(statement.as_bytes()),
        signatures: vec![Object(JsonSignature { keyid, sig: Base64::encode_string(&signature) })],
    };
    Ok(serde_json::to_string(&envelope).about("JSON")? + "\n")
}

/// The statement in an envelope. Nothing of it is parsed before its signature is checked.
///
/// # Errors
/// If the envelope is malformed, or if the key signed no statement in it.
pub(super) fn open(text: &str, key: &SignerKey) -> Result<String> {
    let envelope = library_words::json("signed list", text);
    let Object(envelope): Object<Envelope> = envelope.map_err(|error| {
        if text.contains("\"dsseEnvelope\"") {
            return error.hint("is it a bundle of Sigstore? jq .dsseEnvelope takes the envelope out of it");
        }
        error
    })?;
    if envelope.payload_type != IN_TOTO {
        let cause = format!("has the type {:?}, not {IN_TOTO:?}", envelope.payload_type);
        return Err(Error::new("signed list", cause).hint("predict --format in-toto --sign writes it"));
    }
    if envelope.signatures.is_empty() || envelope.signatures.len() > MOST_SIGNATURES {
        let cause = format!("has {} signatures, and from 1 to {MOST_SIGNATURES} are read", envelope.signatures.len());
        return Err(Error::new("signed list", cause));
    }
    let payload = base64("payload", &envelope.payload)?;
    let message = signed_bytes(IN_TOTO, &payload);
    for Object(signature) in &envelope.signatures {
        if key.signed(&message, &base64("signature", &signature.sig)?) {
            return String::from_utf8(payload).map_err(|_| Error::new("signed list", "its payload is not text"));
        }
    }
    let named: Vec<_> = envelope.signatures.iter().filter_map(|Object(one)| one.keyid.as_deref()).collect();
    let (own, kind) = (hex::encode(key.id()?), key.name());
    let cause = format!(
        "IS NOT SIGNED BY THIS KEY: {kind}, key ID {own}; the file names the key ID {}",
        match *named {
            [] => "of no key".to_owned(),
            _ => named.join(", "),
        }
    );
    Err(Error::new("signed list", cause).hint("the list was changed after it was signed, or another key signed it"))
}

/// The bytes of a text in base64. The specification lets a writer choose either alphabet. Some leave out the padding, and some put line ends
/// in: what is signed are the bytes.
fn base64(object: &str, text: &str) -> Result<Vec<u8>> {
    let text: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let text = text.trim_end_matches('=');
    let bytes = Base64Unpadded::decode_vec(text).or_else(|_| Base64UrlUnpadded::decode_vec(text));
    bytes.map_err(|_| Error::new(object, "is no base64").hint("was the file changed or cut off?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        // The test vector of protocol.md.
        assert_eq!(
            signed_bytes("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
