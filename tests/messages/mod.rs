//! The messages of the sources, and those of the page.

pub(crate) mod make_source;
pub(crate) mod no_messages;
pub(crate) mod page;
pub(crate) mod rust_source;
pub(crate) mod shell_source;

/// A text in a source that a person may see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text {
    /// The file, as a path in the checkout.
    pub file: String,
    /// The text in the form of the page.
    pub words: String,
    /// Whether the place in the source shows that it is a message: an argument of an error, a warning, a line to standard error.
    pub is_message: bool,
}

/// A text in the form of the page: on one line, without backticks.
pub(crate) fn shown(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text has a word, beside what the program puts in.
pub(crate) fn has_a_word(text: &str) -> bool {
    text.replace("...", " ").split(|c: char| !c.is_ascii_alphabetic()).any(|word| word.len() > 2)
}
