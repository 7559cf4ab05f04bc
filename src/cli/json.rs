//! Results as JSON, for programs. A person may read them on a terminal too.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::error::{Context, Error, Result, is_hidden};

/// The JSON text of a value, with a newline at its end. Characters that would be hidden on a terminal are written with JSON's
/// own escapes, so a program that reads the text gets them unchanged (RFC 8259, section 7).
pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    let mut text = String::new();
    for c in serde_json::to_string_pretty(value).about("JSON")?.chars() {
        // Only the layout has line feeds: serde_json escapes those of strings.
        if c == '\n' || !is_hidden(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                write!(text, "\\u{unit:04x}").ok();
            }
        }
    }
    Ok(text + "\n")
}

/// Checks that JSON can hold the path: two names that are not UTF-8 would look the same in it.
///
/// # Errors
/// If it is not UTF-8.
pub(super) fn check_path(path: &Path) -> Result<()> {
    path.to_str().map(drop).ok_or_else(|| {
        Error::new(path.display(), "its name is not UTF-8, so JSON cannot hold it")
            .hint("rename the file, or use a link")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_read_back() {
        let value = "a\n\x1b\x7f\u{202e}\u{e0041}ö";
        let text = pretty(&[value]).unwrap();
        assert_eq!(text, "[\n  \"a\\n\\u001b\\u007f\\u202e\\udb40\\udc41ö\"\n]\n");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), [value]);
    }
}
