//! The file that `gotpm attest` writes: a protobuf message that has the key, the quotes, their signatures and the log (go-tpm-tools,
//! proto/attest.proto, `Attestation`; proto/tpm.proto, `Quote`). People give it as one of these.

use crate::cursor::Fields;

/// What to do with it.
pub(super) const HINT: &str = "this is an attestation in the protobuf form of go-tpm-tools: write its fields ak_pub (the key), \
                               quotes.quote, quotes.raw_sig (the signature) and event_log into files, with Go or Python and \
                               go-tpm-tools' proto/attest.proto";

/// The tag of the first field, if it holds bytes: number 1, wire type 2 (Protocol Buffers, "Encoding").
const FIRST: u8 = 0x0A;
/// The same for the second field: the quotes in an `Attestation`, the signature in a `Quote`.
const SECOND: u8 = 0x12;
/// How a `TPMT_PUBLIC` begins: `TPM_ALG_RSA`, `TPM_ALG_ECC` (TPM 2.0 Library, Part 2, section 6.3).
const PUBLIC: [[u8; 2]; 2] = [[0x00, 0x01], [0x00, 0x23]];
/// How a `TPMS_ATTEST` begins: `TPM_GENERATED_VALUE` (section 6.2).
const ATTEST: [u8; 4] = 0xFF54_4347_u32.to_be_bytes();
/// The names of the fields in the text form.
const NAMES: [&[u8]; 2] = [b"ak_pub:", b"quotes:"];

/// Whether the bytes are such a message, or one of its quotes.
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    NAMES.iter().any(|name| bytes.trim_ascii_start().starts_with(name)) || is_message(bytes).unwrap_or_default()
}

/// Whether this is the binary form; `None` if the bytes end too early.
fn is_message(bytes: &[u8]) -> Option<bool> {
    // A length of two bytes has its low seven bits in the first one.
    let (content, length) = match bytes {
        [FIRST, low @ ..0x80, content @ ..] => (content, usize::from(*low)),
        [FIRST, low, high @ ..0x80, content @ ..] => (content, usize::from(low & 0x7F) | usize::from(*high) << 7),
        _ => return None,
    };
    let is_known = PUBLIC.contains(&Fields(content).at(0)?) || content.starts_with(&ATTEST);
    Some(is_known && *content.get(length)? == SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attestation_and_a_quote_are_told_from_other_bytes() {
        let field = |tag: u8, content: &[u8]| {
            let (low, high) = (content.len() % 128, content.len() / 128);
            let length = [u8::try_from(low).unwrap() | 0x80, u8::try_from(high).unwrap()];
            let length = if high == 0 { vec![length[0] & 0x7F] } else { length.to_vec() };
            [vec![tag], length, content.to_vec()].concat()
        };
        let key = |start: [u8; 2], length| [&start[..], &vec![7; length]].concat();
        for first in [key([0, 1], 278), key([0, 0x23], 86), [&ATTEST[..], &[7; 141]].concat()] {
            let whole = [field(FIRST, &first), field(SECOND, b"more")].concat();
            assert!(is_likely(&whole), "{whole:02x?}");
            for changed in [0, 1 + usize::from(first.len() > 127), whole.len() - 6] {
                let mut other = whole.clone();
                other[changed] ^= 0x40;
                assert!(!is_likely(&other), "{changed} {other:02x?}");
            }
            for length in 0..whole.len() - 5 {
                assert!(!is_likely(&whole[..length]), "{length}");
            }
        }
        assert!(is_likely(b"ak_pub:  \"\\x00\\x01\"\n") && !is_likely(b"ak_pub") && !is_likely(b"\n\x04text\x12"));
    }
}
