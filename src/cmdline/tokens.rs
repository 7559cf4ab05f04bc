//! The kernel command line: text to tokens, by the kernel's own quoting rules.
//!
//! The procfs crate is not used here: it splits at every space, so that a quoted value falls apart.

/// The longest command line that is read; the kernel's own limit is 2048 or 4096 bytes (`COMMAND_LINE_SIZE`), and a
/// bootconfig may add some.
pub const MAX_LEN: usize = 64 * 1024;

/// One parameter as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What stands before the first `=`.
    pub key: Vec<u8>,
    /// What stands behind it, without its quotes; `None` where there is no `=`.
    pub value: Option<Vec<u8>>,
}

impl Token {
    /// The key, when it is text.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        std::str::from_utf8(&self.key).ok()
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

/// The parameters up to `--`; what stands behind it belongs to the new init alone (kernel/params.c, `parse_args`).
#[must_use]
pub fn parse(line: &[u8]) -> Vec<Token> {
    let mut rest = skip_spaces(line);
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let (token, after) = next_arg(rest);
        if token.key == b"--" && token.value.is_none() {
            break;
        }
        tokens.push(token);
        rest = skip_spaces(after);
    }
    tokens
}

/// `next_arg` of the kernel's lib/cmdline.c: a quote anywhere toggles whether a space ends the token; only a quote that
/// opens the token or its value is taken away, together with one at the token's very end.
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
        // The kernel keeps the position in an integer whose 0 means "none yet", so a leading `=` is part of the key.
        if equals.is_none() && byte == b'=' && i > 0 {
            equals = Some(i);
        }
        if byte == b'"' {
            in_quote = !in_quote;
        }
    }
    let mut token = &args[..end];
    let mut value_quoted = false;
    if let Some(i) = equals {
        value_quoted = args.get(i + 1) == Some(&b'"') && i + 1 < end;
    }
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
    (Token { key: key.to_vec(), value }, &args[end..])
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    &text[start..]
}

/// `isspace` of the kernel's lib/ctype.c, which counts the Latin-1 no-break space too. /proc/cmdline ends in a newline,
/// and nothing follows a NUL.
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
    fn tokens_as_the_kernel_splits_them() {
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
        ];
        for (line, want) in table {
            let want: Vec<_> = want.iter().map(|(k, v)| (k.to_string(), v.map(str::to_owned))).collect();
            assert_eq!(shown(line), want, "{line:?}");
        }
    }

    #[test]
    fn any_bytes_are_taken() {
        for a in 0..=255u8 {
            for b in [b'"', b'=', b' ', 0, 0xa0, b'-', a] {
                assert!(parse(&[a, b, b'"', a, b'=', b]).len() <= 3);
                assert!(parse(&[b, a]).len() <= 2);
            }
        }
    }
}
