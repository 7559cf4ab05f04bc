//! Files that people take for a log, a quote, a signature or a key, but that hold its bytes as text or among others. They are named,
//! so that the error says how to get the bytes.

use super::go_tpm_tools;

/// The shortest text that is taken for encoded bytes.
const SHORTEST: usize = 64;

/// What to do with such a file; `None` if it is none.
pub(crate) fn hint(bytes: &[u8]) -> Option<&'static str> {
    if go_tpm_tools::is_likely(bytes) {
        return Some(go_tpm_tools::HINT);
    }
    let text = bytes.trim_ascii();
    if is_keylime(text) {
        // keylime, keylime/tpm/tpm_main.py: r<quote>:<signature>:<values of the PCRs>
        return Some(
            "this is what Keylime's agent sends: cut -c2- FILE | cut -d: -f1 | base64 --decode writes the quote, with -f2 the \
             signature, with -f3 the PCR values",
        );
    }
    let is =
        |is: fn(u8) -> bool| text.len() >= SHORTEST && text.iter().all(|&byte| is(byte) || byte.is_ascii_whitespace());
    if is(|byte| byte.is_ascii_hexdigit()) {
        Some("this is text in hex: xxd -revert -plain writes the bytes")
    } else if is(is_base64) {
        Some("this is text in base64: base64 --decode writes the bytes")
    } else {
        None
    }
}

fn is_keylime(text: &[u8]) -> bool {
    let parts: Vec<_> = text.strip_prefix(b"r").unwrap_or_default().split(|&byte| byte == b':').collect();
    (2..=3).contains(&parts.len())
        && parts.iter().all(|part| part.len() >= SHORTEST && part.iter().copied().all(is_base64))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_bytes_are_told_from_bytes() {
        let (base64, hex) = ("/1RDR4AY".repeat(9), "ff54434780180022".repeat(9));
        let keylime = format!("r{base64}:{base64}:{base64}\n");
        for (text, part) in [
            (&base64, "base64 --decode writes the bytes"),
            (&format!("{base64}\n{base64}==\n"), "base64 --decode writes the bytes"),
            (&hex.to_uppercase(), "xxd -revert"),
            (&keylime, "Keylime's agent"),
            (&format!("r{base64}:{base64}"), "Keylime's agent"),
        ] {
            assert!(hint(text.as_bytes()).is_some_and(|hint| hint.contains(part)), "{text}");
        }
        for other in ["", "ff", &format!("{base64}:{base64}"), &format!("r{base64}:"), &format!("{base64}\0")] {
            assert_eq!(hint(other.as_bytes()), None, "{other}");
        }
        assert_eq!(hint(&[0xFF; 200]), None);
    }
}
