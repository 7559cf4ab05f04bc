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
        Self { object: one_line(&object), cause: one_line(&cause), hint: None }
    }

    /// The same error with a hint: the likely cause, or what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(one_line(&hint));
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
        self.object = one_line(&object);
        self
    }

    /// The same error with `whole` in front: the object is a part of it.
    #[must_use]
    pub fn on(self, whole: impl Display) -> Self {
        let object = format!("{whole}: {}", self.object);
        self.renamed(object)
    }

    /// The object of the error.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }
}

/// Replaces control characters. Objects and causes quote hostile input (labels, paths, the command line), and that must
/// not forge another line of the log.
pub(crate) fn one_line(text: &dyn Display) -> String {
    let text = text.to_string();
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.cause)?;
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
    fn hostile_text_stays_on_one_line() {
        let error = Error::new("LABEL=a\nb", "not found").hint("x\ry");
        assert_eq!(error.to_string(), "LABEL=a\u{fffd}b: not found (x\u{fffd}y)");
    }
}
