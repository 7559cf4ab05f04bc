//! The error that every module returns. The boot adds the step.

use std::fmt::{self, Display};

/// An object, the cause of the error, and a hint what to do. Prints as `object: cause (hint)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    object: String,
    cause: String,
    hint: Option<String>,
}

/// A result whose error names the object and the cause.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error about `object`, for example a path or a token of the command line.
    pub fn new(object: impl Display, cause: impl Display) -> Self {
        Self::of(&object, &cause)
    }

    /// Not generic: the agent has some 150 pairs of types, and would have this code for each.
    #[inline(never)]
    fn of(object: &dyn Display, cause: &dyn Display) -> Self {
        Self { object: shown(object), cause: one_line(cause), hint: None }
    }

    /// The same error with a hint: the likely cause, or what to do.
    #[must_use]
    pub fn hint(self, hint: impl Display) -> Self {
        self.with_hint(&hint)
    }

    #[inline(never)]
    fn with_hint(mut self, hint: &dyn Display) -> Self {
        self.hint = Some(one_line(hint));
        self
    }

    /// The same error; with a hint if it has none.
    #[must_use]
    pub(crate) fn hint_if_none(self, hint: impl Display) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// The same error with the full name of its object, which the caller knows.
    #[must_use]
    pub fn renamed(mut self, object: impl Display) -> Self {
        self.object = shown(&object);
        self
    }

    /// The same error with `whole` in front: the object is a part of it.
    #[must_use]
    pub fn on(self, whole: impl Display) -> Self {
        let object = format!("{whole}: {}", self.object);
        self.renamed(object)
    }

    /// The error as three lines, for another process: its object, its cause, its hint.
    pub(crate) fn to_lines(&self) -> String {
        [&self.object, &self.cause, self.hint.as_deref().unwrap_or_default()].join("\n")
    }

    /// The error of these lines.
    pub(crate) fn from_lines(lines: &str) -> Self {
        let mut lines = lines.split('\n');
        let mut next = || lines.next().unwrap_or_default();
        let error = Self::new(next(), next());
        let hint = next();
        if hint.is_empty() { error } else { error.hint(hint) }
    }

    /// The cause and the hint, without the object.
    pub(crate) fn reason(&self) -> String {
        self.hint.as_ref().map_or_else(|| self.cause.clone(), |hint| format!("{} ({hint})", self.cause))
    }

    /// The object of the error.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }
}

/// An object as a person may see it: an empty text, which a user gave, is not nothing.
fn shown(object: &dyn Display) -> String {
    match one_line(object) {
        empty if empty.is_empty() => "\"\"".to_owned(),
        line => line,
    }
}

/// The text as a person may see it: on one line, with nothing hidden. Objects, causes, events and names quote hostile input
/// (labels, paths, logs, the command line). It must not forge another line of the log, command a terminal, or show its
/// characters in another order. A hidden character becomes its escape, such as `\n` or `\u{202e}`, so that no text is lost.
pub(crate) fn one_line(text: &dyn Display) -> String {
    let mut line = String::new();
    for c in text.to_string().chars() {
        if is_hidden(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Whether a character changes how text looks without being seen itself. These are the control characters, the line and
/// paragraph separators, the interlinear marks, and the characters that a font need not show: marks of direction, of no width
/// or of a variant (Unicode 16.0, DerivedCoreProperties.txt, `Default_Ignorable_Code_Point`).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many characters of an object are shown.
const LONGEST: usize = 300;

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The cause must stand on the same line of the log, however long a hostile object is.
        match self.object.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "{}... ({} bytes): {}", &self.object[..end], self.object.len(), self.cause)?,
            None => write!(f, "{}: {}", self.object, self.cause)?,
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Error {}

/// Turns the errors of the operating system and of libraries into our own.
pub(crate) trait Context<T> {
    /// Names the object of the error.
    ///
    /// # Errors
    /// The same error, with `object` in front.
    fn about(self, object: impl Display) -> Result<T>;

    /// Names the object of the error and adds a hint: the likely cause, or what to do.
    ///
    /// # Errors
    /// The same error, with `object` in front and `hint` behind.
    fn about_hint(self, object: impl Display, hint: impl Display) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn about(self, object: impl Display) -> Result<T> {
        self.map_err(|cause| Error::new(object, cause))
    }

    fn about_hint(self, object: impl Display, hint: impl Display) -> Result<T> {
        self.map_err(|cause| Error::new(object, cause).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_object_leaves_room_for_the_cause() {
        let error = Error::new("\u{20ac}".repeat(1000), "too long").to_string();
        assert!(error.starts_with('\u{20ac}') && error.ends_with("... (3000 bytes): too long"), "{error}");
        assert!(error.chars().count() < 350);
    }

    #[test]
    fn an_empty_object_is_shown() {
        let error = Error::new("", "is no date");
        assert_eq!(error.to_string(), "\"\": is no date");
        assert_eq!(error.clone().on("until").to_string(), "until: \"\": is no date");
        assert_eq!(Error::from_lines(&error.to_lines()), error);
    }

    #[test]
    fn hostile_text_stays_on_one_line() {
        let error = Error::new("LABEL=a\nb", "not found").hint("x\ry");
        assert_eq!(error.to_string(), "LABEL=a\\nb: not found (x\\ry)");
    }

    #[test]
    fn no_character_of_hostile_text_is_hidden() {
        let table = [
            ("\0\x1b[2J\x7f\u{9b}", "\\u{0}\\u{1b}[2J\\u{7f}\\u{9b}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("a\u{200b}\u{200d}\u{feff}\u{2060}\u{ad}", "a\\u{200b}\\u{200d}\\u{feff}\\u{2060}\\u{ad}"),
            ("\u{2028}\u{e0041}\u{3164}", "\\u{2028}\\u{e0041}\\u{3164}"),
            (
                "C:\\x Größe \u{304b}\u{3099} \u{0915}\u{093f} \u{fffd}",
                "C:\\x Größe \u{304b}\u{3099} \u{0915}\u{093f} \u{fffd}",
            ),
        ];
        for (text, shown) in table {
            assert_eq!(one_line(&text), shown);
            assert!(!one_line(&text).chars().any(is_hidden));
        }
    }
}
