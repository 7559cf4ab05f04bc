//! Keys in PEM as people have them: with text around the block, on one line, with lines of any length. RFC 7468 wants that a
//! parser tolerates text before the block (section 2) and other line lengths.

use p256::pkcs8::Document;
use zeroize::Zeroizing;

use super::library_words::of_crypto;
use crate::error::{Error, Result};

/// How many characters a line of the body has (RFC 7468, section 2).
const LINE: usize = 64;
/// The blocks that have a public key.
const LABELS: [&str; 5] = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// Whether the bytes have a block of PEM.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

const BEGIN: &str = "-----BEGIN ";

/// The DER in the first block that has a public key.
///
/// # Errors
/// If there is no such block, or if it is malformed.
pub(super) fn public_key(bytes: &[u8]) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let blocks = || text.split(BEGIN).skip(1).filter_map(|rest| rest.split_once("-----"));
    let Some((label, rest)) = blocks().find(|(label, _)| LABELS.contains(label)) else {
        let found = blocks().next().map_or("nothing", |(label, _)| label);
        let error = Error::new("key", format_args!("PEM of \"{found}\", not of \"PUBLIC KEY\" or \"CERTIFICATE\""));
        return Err(if found.contains("PRIVATE") {
            error.hint("never give a private key to another machine; openssl pkey -pubout writes the public one")
        } else {
            error
        });
    };
    // Of a chain of certificates, the first is that of the key. Two keys are a mix-up, and one of them would be ignored.
    let keys = blocks().filter(|(label, _)| LABELS.contains(label));
    if !label.ends_with("CERTIFICATE") && keys.count() > 1 {
        return Err(Error::new("key", "the file has several keys").hint("give the key that signed, alone"));
    }
    let Some((body, _)) = rest.split_once(&format!("-----END {label}-----")) else {
        return Err(Error::new("key", format_args!("the block \"{label}\" has no end")).hint("was it cut off?"));
    };
    let whole = in_lines(label, body);
    Ok(of_crypto(Document::from_pem(&whole), "key: PEM", "the block is no base64, or is not complete")?.1.into_vec())
}

/// The cause of an error about a key whose curve has no name.
pub(super) const EXPLICIT_CURVE: &str =
    "describes its curve by parameters, which is forbidden (RFC 5480), in place of the curve's name";

/// Whether a key in DER has the parameters of a curve: the object identifier `prime-field` (ANSI X9.62: 1.2.840.10045.1.1) is in it, and in no
/// key that names its curve.
pub(super) fn has_explicit_curve(der: &[u8]) -> bool {
    const PRIME_FIELD: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01];
    der.windows(PRIME_FIELD.len()).any(|window| window == PRIME_FIELD)
}

/// The block with lines of the usual length, whatever white space its body has: a variable of a build service may hold it on one line. It is
/// cleared from memory when it is dropped: it may be a private key.
pub(super) fn in_lines(label: &str, body: &str) -> Zeroizing<String> {
    // No reallocation leaves a part of it behind: a line end for each line is the most that is added.
    let most = body.len() + body.len() / LINE + 2 * label.len() + 64;
    let mut whole = Zeroizing::new(String::with_capacity(most));
    whole.extend(["-----BEGIN ", label, "-----\n"]);
    for (at, letter) in body.chars().filter(|letter| !letter.is_ascii_whitespace()).enumerate() {
        if at > 0 && at % LINE == 0 {
            whole.push('\n');
        }
        whole.push(letter);
    }
    whole.extend(["\n-----END ", label, "-----\n"]);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----{body}-----END {label}-----")
    }

    #[test]
    fn the_block_may_have_any_lines_and_text_around_it() {
        // The sequence of one number.
        let der = [0x30, 3, 2, 1, 5];
        for text in [
            block("PUBLIC KEY", "MAMCAQU="),
            block("PUBLIC KEY", "\nMAMC\nAQU=\n"),
            block("PUBLIC KEY", "\r\nMAMCAQU=\r\n") + "\r\n",
            format!("Certificate:\n    Data: 0\n{}\ntrailing text\n", block("CERTIFICATE", "\n MAMCAQU=\n")),
            block("EC PARAMETERS", "\nAAAA\n") + "\n" + &block("PUBLIC KEY", "\nMAMCAQU=\n"),
            block("CERTIFICATE", "\nMAMCAQU=\n") + "\n" + &block("CERTIFICATE", "\nAAAA\n"),
        ] {
            assert!(is_pem(text.as_bytes()));
            assert_eq!(public_key(text.as_bytes()).unwrap(), der, "{text}");
        }
    }

    #[test]
    fn a_block_without_a_public_key_is_named() {
        for (text, part) in [
            (block("EC PRIVATE KEY", "\nMAMCAQU=\n"), "PEM of \"EC PRIVATE KEY\", not of"),
            (block("PRIVATE KEY", "\nMAMCAQU=\n"), "never give a private key"),
            ("-----BEGIN PUBLIC KEY-----\nMAMC".to_owned(), "has no end (was it cut off?)"),
            ("-----BEGIN PUBLIC".to_owned(), "PEM of \"nothing\""),
            (block("PUBLIC KEY", "\n!!\n"), "key: PEM"),
            (
                block("RSA PUBLIC KEY", "\nMAMCAQU=\n") + &block("PUBLIC KEY", "\nMAMCAQU=\n"),
                "the file has several keys",
            ),
        ] {
            let why = public_key(text.as_bytes()).unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
        }
        assert!(!is_pem(b"-----BEGIN") && !is_pem(b""));
    }
}
