//! An entry of the boot menu, of type 1: a file of `loader/entries/` (UAPI.1 Boot Loader Specification, "Type #1 Boot Loader
//! Specification Entries"), read as systemd-boot reads it (systemd, src/boot/boot.c, `boot_entry_add_type1` and
//! `line_get_key_value`).

use std::borrow::Cow;

/// What the entry starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The key `linux`: it gets the initrds.
    Linux,
    /// The key `efi`: any program.
    Efi,
}

/// An entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BootEntry {
    /// Its own path.
    pub(super) file: String,
    pub(super) title: Option<String>,
    pub(super) kind: Kind,
    /// The path of the program, as firmware gets it.
    pub(super) program: String,
    /// The paths of the initrds, as firmware gets them.
    pub(super) initrds: Vec<String>,
    /// The lines of `options`, with a space between them.
    pub(super) options: Option<String>,
    pub(super) devicetree: Option<String>,
    /// A key that later versions of systemd-boot act on.
    pub(super) newer_key: Option<String>,
    /// A key that decides what boots, and whose value is not text as systemd-boot keeps it.
    pub(super) odd_key: Option<String>,
}

/// Keys that systemd-boot 258 and later know.
const NEWER: [&str; 4] = ["uki", "uki-url", "profile", "extra"];
/// Keys whose values decide what boots. The others are only shown, or sort the menu.
const DECIDES: [&str; 5] = ["linux", "efi", "initrd", "devicetree", "options"];

impl BootEntry {
    /// Reads `file`, which has an entry. `architecture` is that of the boot loader: `x64`.
    ///
    /// # Errors
    /// Why the boot loader leaves the entry out.
    pub(super) fn parse(file: &str, bytes: &[u8], architecture: &str) -> Result<Self, String> {
        let mut program = None;
        let mut entry = Self {
            file: file.to_owned(),
            title: None,
            kind: Kind::Efi,
            program: String::new(),
            initrds: Vec::new(),
            options: None,
            devicetree: None,
            newer_key: None,
            odd_key: None,
        };
        let text = text(bytes);
        let is_utf8 = matches!(text, Cow::Borrowed(_));
        for (key, value) in lines(&text) {
            if DECIDES.contains(&key) && is_odd(is_utf8, value) {
                entry.odd_key = Some(key.to_owned());
            }
            match key {
                "title" => entry.title = Some(value.to_owned()),
                "linux" => program = Some((Kind::Linux, path(value))),
                "efi" => program = Some((Kind::Efi, path(value))),
                "initrd" => entry.initrds.push(path(value)),
                "devicetree" => entry.devicetree = Some(path(value)),
                "options" => {
                    let before = entry.options.take().map(|before| before + " ").unwrap_or_default();
                    entry.options = Some(before + value);
                }
                "architecture" if !value.eq_ignore_ascii_case(architecture) => {
                    return Err(format!("it is for the architecture {value}, and the boot loader for {architecture}"));
                }
                _ if NEWER.contains(&key) => entry.newer_key = Some(key.to_owned()),
                _ => {}
            }
        }
        if program.is_none() && entry.newer_key.is_none() {
            return Err("it names no program (linux, efi)".to_owned());
        }
        (entry.kind, entry.program) = program.unwrap_or((Kind::Efi, String::new()));
        Ok(entry)
    }
}

/// Whether the name of an entry's file says that it has no tries left: `+0` or `+0-N` before the end (UAPI.1 Boot Loader Specification,
/// "Boot counting").
pub(super) fn has_no_tries_left(name: &str) -> bool {
    let counters = name.rsplit_once('.').and_then(|(stem, _)| stem.rsplit_once('+')).map(|(_, counters)| counters);
    let left = counters.map(|counters| counters.split_once('-').unwrap_or((counters, "0")));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    left.is_some_and(|(left, done)| is_number(left) && is_number(done) && left.bytes().all(|byte| byte == b'0'))
}

/// The pattern of the key `default` in loader.conf: the last one counts.
///
/// # Errors
/// If it is not known what systemd-boot makes of it.
pub(super) fn default_pattern(loader_conf: &[u8]) -> Result<Option<String>, String> {
    let text = text(loader_conf);
    let is_utf8 = matches!(text, Cow::Borrowed(_));
    match lines(&text).into_iter().rfind(|(key, _)| *key == "default") {
        Some((key, value)) if is_odd(is_utf8, value) => Err(format!("the value of {key} is not UTF-8")),
        found => Ok(found.map(|(_, value)| value.to_owned())),
    }
}

/// The text of a file, which ends at its first zero. Bytes that are not UTF-8 become U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// Whether a value of such a text is none that systemd-boot keeps as it is. It reads the text as bytes, and makes a value UTF-16 (systemd,
/// src/boot/efi-string.c, `xstrn8_to_16`): since 253 it drops bytes that are not UTF-8, with those behind them that a character would
/// have, and characters that need two units. 252 drops other bytes, and cuts such a character off.
fn is_odd(is_utf8: bool, value: &str) -> bool {
    let has_wrong_bytes = !is_utf8 && value.contains(char::REPLACEMENT_CHARACTER);
    has_wrong_bytes || value.chars().any(|c| c.len_utf16() > 1)
}

/// The keys with their values.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let blank = [' ', '\t'];
    let mut found = Vec::new();
    for line in text.split(['\n', '\r']).map(|line| line.trim_matches(blank)) {
        let Some(end) = line.find(blank).filter(|_| !line.starts_with('#')) else { continue };
        let (key, rest) = line.split_at(end);
        let value = rest.trim_start_matches(blank);
        let unquoted = value.strip_prefix('"').filter(|_| line.ends_with('"'));
        found.push((key, unquoted.map_or(value, |value| value.strip_suffix('"').unwrap_or(value))));
    }
    found
}

/// A path as firmware gets it: with `\` between its parts, and no two of them together (src/boot/util.c, `convert_efi_path`).
fn path(value: &str) -> String {
    let mut path = String::new();
    for c in value.chars().map(|c| if c == '/' { '\\' } else { c }) {
        if c != '\\' || !path.ends_with('\\') {
            path.push(c);
        }
    }
    path
}

/// The same path as a [`super::volume::Volume`] takes it.
pub(super) fn on_volume(path: &str) -> String {
    path.trim_start_matches('\\').replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<BootEntry> {
        BootEntry::parse("a.conf", text.as_bytes(), "x64").ok()
    }

    #[test]
    fn an_entry_is_read_as_systemd_boot_reads_it() {
        let text = "# a comment\ntitle  \"Debian 13\"\r\nlinux /a//vmlinuz\ninitrd\t/a/ucode\n  initrd a\\rd  \n\
                    options root=x  ro\noptions \tquiet\narchitecture X64\nunknown 1\nnovalue\n\0linux /other";
        let entry = parse(text).unwrap();
        assert_eq!(
            (entry.title.as_deref(), entry.kind, entry.program.as_str()),
            (Some("Debian 13"), Kind::Linux, "\\a\\vmlinuz")
        );
        assert_eq!(entry.initrds, ["\\a\\ucode", "a\\rd"]);
        assert_eq!(entry.options.as_deref(), Some("root=x  ro quiet"));
        assert_eq!((entry.devicetree, entry.newer_key), (None, None));
        let table = [
            ("efi /x.efi", Some((Kind::Efi, "\\x.efi"))),
            ("linux /a\nefi /b", Some((Kind::Efi, "\\b"))),
            ("efi /b\nlinux /a", Some((Kind::Linux, "\\a"))),
            ("linux /a\narchitecture aa64", None),
            ("title nothing", None),
            ("linux", None),
            ("", None),
            ("uki /x.efi", Some((Kind::Efi, ""))),
        ];
        for (text, expected) in table {
            let entry = parse(text);
            assert_eq!(entry.as_ref().map(|entry| (entry.kind, entry.program.as_str())), expected, "{text}");
        }
        assert_eq!(parse("uki /x.efi").unwrap().newer_key.as_deref(), Some("uki"));
    }

    #[test]
    fn bytes_that_are_no_text_matter_where_they_decide_what_boots() {
        for (text, odd) in [
            (&b"linux /a\ntitle D\xE9bian\n# \xFF\nversion \xFF"[..], None),
            (b"linux /a\noptions ro \xFF quiet", Some("options")),
            (b"linux /\xE9\noptions ro", Some("linux")),
            (b"efi /a\xC3\n", Some("efi")),
            (b"linux /a\ninitrd \xF0\x9F\n", Some("initrd")),
            (b"linux /a\ndevicetree /\xFF", Some("devicetree")),
            ("linux /a\noptions \u{1f600}".as_bytes(), Some("options")),
            ("linux /a\noptions \u{fffd}\u{e9}".as_bytes(), None),
            (b"linux /a\n\0options \xFF", None),
        ] {
            let entry = BootEntry::parse("a.conf", text, "x64").unwrap();
            assert_eq!(entry.odd_key.as_deref(), odd, "{:?}", String::from_utf8_lossy(text));
        }
        let title = BootEntry::parse("a.conf", b"linux /a\ntitle D\xE9bian", "x64").unwrap().title;
        assert_eq!(title.as_deref(), Some("D\u{fffd}bian"));
        let why = BootEntry::parse("a.conf", b"linux /a\narchitecture x\xFF", "x64").unwrap_err();
        assert!(why.starts_with("it is for the architecture x\u{fffd}"), "{why}");
        assert_eq!(default_pattern(b"default \xFF\ndefault a").unwrap().as_deref(), Some("a"));
        assert_eq!(default_pattern(b"default a\ndefault \xFF").unwrap_err(), "the value of default is not UTF-8");
    }

    #[test]
    fn quotes_go_only_from_both_ends() {
        for (line, options) in [("\"a b\"", "a b"), ("\"a b", "\"a b"), ("a\"", "a\""), ("\"", ""), ("\"\"", "")] {
            let entry = parse(&format!("linux /a\noptions {line}")).unwrap();
            assert_eq!(entry.options.as_deref(), Some(options), "{line}");
        }
    }

    #[test]
    fn the_name_tells_that_no_tries_are_left() {
        for (name, is_over) in [
            ("a+0.conf", true),
            ("a+0-3.efi", true),
            ("a+00-3.conf", true),
            ("a+3.conf", false),
            ("a+1-2.conf", false),
            ("a+0-.conf", false),
            ("a+.conf", false),
            ("a-0.conf", false),
            ("a+0", false),
        ] {
            assert_eq!(has_no_tries_left(name), is_over, "{name}");
        }
    }

    #[test]
    fn the_last_default_counts() {
        assert_eq!(default_pattern(b"timeout 3\ndefault a\ndefault b*\n").unwrap().as_deref(), Some("b*"));
        assert_eq!(default_pattern(b"timeout 3").unwrap(), None);
        assert_eq!(on_volume("\\a\\b"), "a/b");
    }
}
