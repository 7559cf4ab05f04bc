//! Text in the data of events. It comes from a log that an attacker may have written: it is cut to a length, and hidden characters
//! are escaped. No data is dropped: what is no text is shown as hex.

use std::fmt::Write;

use crate::count::counted;
use crate::error::one_line;

/// The most characters of a log's own text that are shown: longer than most commands of a boot loader.
pub(super) const SHOWN: usize = 512;
/// The most bytes that are shown as hex: the longest digest.
const SHOWN_BYTES: usize = 64;

/// The text on one line, cut to [`SHOWN`] characters. It says how many are left out.
pub(super) fn shown(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(SHOWN) else { return one_line(&text) };
    let more = counted(text[end..].chars().count(), "more character");
    format!("{}... ({more})", one_line(&&text[..end]))
}

/// The text that the bytes hold, in UTF-8 or UTF-16; the bytes in hex if they hold no text.
pub(super) fn words(bytes: &[u8]) -> String {
    if let Some(text) = text(bytes) {
        return shown(&text);
    }
    let end = bytes.len().min(SHOWN_BYTES);
    let more = bytes.len() - end;
    let rest = if more > 0 { format!("... ({})", counted(more, "more byte")) } else { String::new() };
    hex::encode(&bytes[..end]) + &rest
}

/// The text in UTF-16, little-endian, without zeros at its end. A unit that is no character becomes U+FFFD.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_end_matches('\0').to_owned()
}

/// The text, if the bytes are likely to be text: if most of its characters can be read. Only then can a few others hide nothing.
fn text(bytes: &[u8]) -> Option<String> {
    // As UTF-16, arbitrary bytes mostly decode to Chinese characters, and so do two ASCII characters. So only ASCII characters in
    // UTF-16 count, and no two ones may stand beside each other.
    let is_wide = |pair: &&[u8]| matches!(pair, [0x20..0x7F, 0]);
    let is_narrow = |pair: &[u8]| matches!(pair, [0x20..0x7F, 0x20..0x7F]);
    let wide = bytes.chunks(2).filter(is_wide).count();
    if bytes.len().is_multiple_of(2) && wide * 4 >= bytes.len() && !bytes.chunks(2).any(is_narrow) {
        return Some(utf16(bytes));
    }
    let end = bytes.iter().rposition(|&byte| byte != 0)? + 1;
    let (mut text, mut readable) = (String::new(), 0);
    for chunk in bytes[..end].utf8_chunks() {
        let is_readable = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        readable += chunk.valid().chars().filter(is_readable).map(char::len_utf8).sum::<usize>();
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            write!(text, "\\x{byte:02x}").ok();
        }
    }
    (readable * 4 >= 3 * end).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_are_dropped() {
        let wide: Vec<u8> = "Größe\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let long = "x".repeat(SHOWN + 1);
        let table: [(&[u8], &str); 16] = [
            (b"", ""),
            (b"grub_cmd: ls\0", "grub_cmd: ls"),
            (b"two\nlines\x1b[2J", "two\\nlines\\u{1b}[2J"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            (b"a\0b c", "a\\u{0}b c"),
            (b"latin \xe9!", "latin \\xe9!"),
            (&wide, "Größe"),
            (b"a\0b\0", "ab"),
            (b"abc\0", "abc"),
            (b"cmd\0x\0", "cmd\\u{0}x"),
            (&[0; 4], "00000000"),
            (&[1], "01"),
            (&[0, 1, 2, b'a', b'b'], "0001026162"),
            (&[0xFF; 3], "ffffff"),
            (&[7; 66], &("07".repeat(64) + "... (2 more bytes)")),
            (long.as_bytes(), &("x".repeat(SHOWN) + "... (1 more character)")),
        ];
        for (bytes, wanted) in table {
            assert_eq!(words(bytes), wanted, "{bytes:02x?}");
        }
    }
}
