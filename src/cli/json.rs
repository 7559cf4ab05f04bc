//! Results as JSON, for programs. A person may read them on a terminal too.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::Serializer;

use super::visible_json::Visible;
use crate::error::{Context, Error, Result};

/// The JSON text of a value, with a newline at its end, and no character that would be hidden on a terminal.
pub(super) fn pretty(value: &impl Serialize) -> Result<String> {
    let mut text = Vec::new();
    write(value, &mut text).about("JSON")?;
    String::from_utf8(text).about("JSON")
}

/// Writes the same text part by part.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(value: &impl Serialize, to: &mut dyn Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *to, Visible::default()))?;
    to.write_all(b"\n")
}

/// A list whose items are made one after the other, each when it is written: a log may have so many events that all of them together do
/// not fit into memory.
pub(super) struct Items<F>(pub(super) F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Items<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
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

    #[test]
    fn items_have_the_layout_of_a_list() {
        for count in 0..3 {
            let list: Vec<_> = (0..count).map(|number| serde_json::json!({ "number": number, "none": [] })).collect();
            let items = Items(|| list.iter());
            assert_eq!(pretty(&items).unwrap(), serde_json::to_string_pretty(&list).unwrap() + "\n");
        }
    }
}
