//! Command lines as systemd's stub hands them to the kernel: UTF-16, with white space changed (systemd, `src/boot/util.c`,
//! `mangle_stub_cmdline`).

/// What is measured of a command line: UTF-16LE with its final zero. `None` if nothing is left of it, or if it has characters
/// that the stub drops: those that need two units.
pub(super) fn measured(text: &str, is_257: bool) -> Option<Vec<u8>> {
    let text = mangled(text, is_257);
    let is_plain = !text.is_empty() && text.chars().all(|c| c.len_utf16() == 1);
    is_plain.then(|| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect())
}

/// The text of a section: up to its first zero. `None` if it is not UTF-8: then what the stub makes of it is not told here.
pub(super) fn of_section(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).ok()
}

/// Control characters become spaces; spaces at the end go. From 257 on, spaces at the start go, too, and DEL is one.
pub(super) fn mangled(text: &str, is_257: bool) -> String {
    let is_space = |c: char| c <= ' ' || (is_257 && c == '\x7F');
    let text: String = text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    let text = text.trim_end_matches(' ');
    if is_257 { text.trim_start_matches(' ') } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_measured_as_the_stub_changes_it() {
        let table: [(&str, Option<&str>, Option<&str>); 6] = [
            ("a b", Some("a b"), Some("a b")),
            (" a\n\tb \n", Some(" a  b"), Some("a  b")),
            ("a\x7F", Some("a\x7F"), Some("a")),
            (" \n", None, None),
            ("", None, None),
            ("a\u{1f600}", None, None),
        ];
        for (text, old, new) in table {
            for (is_257, expected) in [(false, old), (true, new)] {
                let utf16 = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
                assert_eq!(measured(text, is_257), expected.map(utf16), "{text:?}");
            }
        }
        assert_eq!((of_section(b"a\0b"), of_section(b""), of_section(b"\xFF")), (Some("a"), Some(""), None));
    }
}
