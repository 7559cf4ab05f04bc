//! Splits the kernel command line into tokens, by the kernel's own quoting rules.
//!
//! The procfs crate is not used here: it splits at every space, also within a quoted value.

/// The longest command line that is read, in bytes. The kernel's own limit is 2048 or 4096 bytes (`COMMAND_LINE_SIZE`),
/// and a bootconfig may add more.
pub const MAX_LEN: usize = 64 * 1024;

/// One parameter, split as the kernel splits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The text before the first `=`.
    pub key: Vec<u8>,
    /// The text after it, without its quotes; `None` if there is no `=`.
    pub value: Option<Vec<u8>>,
    /// Whether a quote in it is not closed. Then it is the last one, and has the rest of the line in it.
    pub open: bool,
}

impl Token {
    /// The key, if it is UTF-8.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        std::str::from_utf8(&self.key).ok()
    }

    /// The words that a quote has made parts of this one: those behind its first space. Each is given up to its `=`.
    pub(crate) fn swallowed(&self) -> impl Iterator<Item = &[u8]> {
        let parts = [self.key.as_slice(), self.value.as_deref().unwrap_or_default()];
        let words = parts.into_iter().flat_map(|part| part.split(|&byte| is_space(byte)).skip(1));
        words.map(|word| word.split(|&byte| byte == b'=').next().unwrap_or_default())
    }

    /// Whether a no-break space of UTF-8 (0xc2 0xa0) ended it: its second byte is a space for the kernel, see [`is_space`].
    pub(crate) fn ends_before_a_no_break_space(&self) -> bool {
        self.value.as_ref().unwrap_or(&self.key).last() == Some(&0xc2)
    }

    /// Whether it is the parameter `name`, with or without a value.
    #[must_use]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.key == name.as_bytes()
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.key))?;
        match &self.value {
            Some(value) => write!(f, "={}", String::from_utf8_lossy(value)),
            None => Ok(()),
        }
    }
}

/// The parameters before `--`. What follows is for the new init alone (kernel/params.c, `parse_args`).
#[must_use]
pub fn parse(line: &[u8]) -> Vec<Token> {
    words(line).take_while(|token| !is_dashes(token)).collect()
}

/// The arguments of the new init behind `--`. A second `--` ends them (init/main.c, `start_kernel`).
#[cfg(feature = "cli")]
pub(crate) fn behind_dashes(line: &[u8]) -> Vec<Token> {
    words(line).skip_while(|token| !is_dashes(token)).skip(1).take_while(|token| !is_dashes(token)).collect()
}

fn is_dashes(token: &Token) -> bool {
    token.is("--") && token.value.is_none()
}

/// All words. The newline at the end is of /proc/cmdline (fs/proc/cmdline.c), and not of the line that the kernel has split: a
/// quote that is left open does not take it in.
fn words(line: &[u8]) -> impl Iterator<Item = Token> {
    let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
    std::iter::from_fn(move || {
        let start = skip_spaces(rest);
        if start.is_empty() {
            return None;
        }
        let (token, after) = next_arg(start);
        rest = after;
        Some(token)
    })
}

/// Splits off one token, as `next_arg` of the kernel's lib/cmdline.c does. A quote anywhere toggles whether a space
/// ends the token. Only a quote at the start of the token or of its value is removed, together with one at the end of
/// the token.
fn next_arg(args: &[u8]) -> (Token, &[u8]) {
    let quoted = args.first() == Some(&b'"');
    let args = if quoted { &args[1..] } else { args };
    let mut in_quote = quoted;
    let mut equals = None;
    let mut end = args.len();
    for (i, &byte) in args.iter().enumerate() {
        if is_space(byte) && !in_quote {
            end = i;
            break;
        }
        // In the kernel's variable for this position, 0 means "no `=` yet". So a leading `=` is part of the key.
        if equals.is_none() && byte == b'=' && i > 0 {
            equals = Some(i);
        }
        if byte == b'"' {
            in_quote = !in_quote;
        }
    }
    let mut token = &args[..end];
    let value_quoted = equals.is_some_and(|i| args.get(i + 1) == Some(&b'"'));
    if (quoted || value_quoted) && token.last() == Some(&b'"') {
        token = &token[..end - 1];
    }
    let (key, value) = match equals {
        None => (token, None),
        Some(i) => {
            let start = (i + 1 + usize::from(value_quoted)).min(token.len());
            (&args[..i], Some(token[start..].to_vec()))
        }
    };
    (Token { key: key.to_vec(), value, open: in_quote }, &args[end..])
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    &text[start..]
}

/// `isspace` of the kernel's lib/ctype.c, for which the Latin-1 no-break space is a space, too. /proc/cmdline ends with
/// a newline, and nothing follows a NUL.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d | 0xa0 | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parse(line.as_bytes()).iter().map(|t| (text(&t.key), t.value.as_deref().map(text))).collect()
    }

    #[test]
    fn tokens_are_split_as_the_kernel_splits_them() {
        type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);
        let table: &[Row] = &[
            ("", &[]),
            ("  \t\n", &[]),
            ("ro quiet\n", &[("ro", None), ("quiet", None)]),
            ("root=/dev/vda", &[("root", Some("/dev/vda"))]),
            ("root=LABEL=a=b", &[("root", Some("LABEL=a=b"))]),
            ("a= b", &[("a", Some("")), ("b", None)]),
            ("=a b", &[("=a", None), ("b", None)]),
            ("=a=b", &[("=a", Some("b"))]),
            (r#"root="LABEL=my disk" ro"#, &[("root", Some("LABEL=my disk")), ("ro", None)]),
            (r#""root=LABEL=my disk" ro"#, &[("root", Some("LABEL=my disk")), ("ro", None)]),
            (r#"dyndbg="file a +p; b" x"#, &[("dyndbg", Some("file a +p; b")), ("x", None)]),
            (r#"a=b"c d"e f"#, &[("a", Some(r#"b"c d"e"#)), ("f", None)]),
            (r#"a="b"c d"#, &[("a", Some(r#"b"c"#)), ("d", None)]),
            (r#"a=""#, &[("a", Some(""))]),
            (r#"a="" b"#, &[("a", Some("")), ("b", None)]),
            (r#"""#, &[("", None)]),
            (r#"a="unclosed b c"#, &[("a", Some("unclosed b c"))]),
            (r#""a"=b c"#, &[(r#"a""#, Some("b")), ("c", None)]),
            ("a -- root=/dev/x", &[("a", None)]),
            ("--x a", &[("--x", None), ("a", None)]),
            // The newline of /proc/cmdline, and the one before it, which is the boot loader's.
            ("a=\"b c\n", &[("a", Some("b c"))]),
            ("\"a b\n", &[("a b", None)]),
            ("a=b\n", &[("a", Some("b"))]),
            ("a=\"b\n\n", &[("a", Some("b\n"))]),
            ("\n", &[]),
            ("a --\n", &[("a", None)]),
            ("a \"--\n", &[("a", None)]),
        ];
        for (line, want) in table {
            let want: Vec<_> = want.iter().map(|(k, v)| (k.to_string(), v.map(str::to_owned))).collect();
            assert_eq!(shown(line), want, "{line:?}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_has_the_rest_of_the_line_in_it() {
        let table = [
            ("a=\"b c\" d", false, ""),
            ("root=LABEL=a\"b", true, ""),
            ("a \"quiet root=x y", true, "root,y"),
            ("a x=\"b root=LABEL=x ro\n", true, "root,ro"),
            ("a=b\" c=d", true, "c"),
            ("\"a=b c", true, "c"),
        ];
        for (line, open, swallowed) in table {
            let last = parse(line.as_bytes()).pop().unwrap();
            let words: Vec<_> = last.swallowed().map(String::from_utf8_lossy).collect();
            assert_eq!(last.open, open, "{line}");
            assert!(!open || words.join(",") == swallowed, "{line}: {words:?}");
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn what_stands_behind_the_dashes_is_for_init() {
        let table = [
            ("a -- b c=d\n", "b c=d"),
            ("a -- \"b c\" d=\"e f\n", "b c,d=e f"),
            ("-- a -- b", "a"),
            ("a --", ""),
            ("a --=b c", ""),
        ];
        for (line, want) in table {
            let want: Vec<_> =
                want.split(if want.contains(',') { ',' } else { ' ' }).filter(|w| !w.is_empty()).collect();
            let found: Vec<_> = behind_dashes(line.as_bytes()).iter().map(ToString::to_string).collect();
            assert_eq!(found, want, "{line:?}");
        }
    }

    #[test]
    fn the_longest_line_of_the_kernel_fits() {
        // COMMAND_LINE_SIZE is at most 4096; XBC_DATA_MAX of include/linux/bootconfig.h is 32 KiB less one.
        let longest = [4096, 32 * 1024 - 1];
        assert!(longest.iter().sum::<usize>() < MAX_LEN);
    }

    #[test]
    fn any_bytes_can_be_parsed() {
        for a in 0..=255u8 {
            for b in [b'"', b'=', b' ', 0, 0xa0, b'-', a] {
                assert!(parse(&[a, b, b'"', a, b'=', b]).len() <= 3);
                assert!(parse(&[b, a]).len() <= 2);
            }
        }
    }
}
