//! What a child process found out about a device, and its form on the way to the parent.

use crate::error::Error;

/// Whether a device is the one that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is.
    Yes,
    /// It is not, for this reason.
    No(Error),
    /// It cannot be read now: a drive without a medium, or a device that its driver still prepares.
    NotYet(Error),
}

impl Answer {
    /// The bytes that the child writes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Self::Yes => ('+', String::new()),
            Self::No(error) => ('-', error.to_lines()),
            Self::NotYet(error) => ('?', error.to_lines()),
        };
        format!("{kind}{text}").into_bytes()
    }

    /// Reads what a child wrote. If it died, it wrote nothing.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        match text.split_at_checked(1) {
            Some(("+", _)) => Self::Yes,
            Some(("-", lines)) => Self::No(Error::from_lines(lines)),
            Some(("?", lines)) => Self::NotYet(Error::from_lines(lines)),
            _ => Self::NotYet(Error::new("child process", "ended without an answer").hint("is there enough memory?")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was_given() {
        let error = Error::new("/dev/sr0", "ENOMEDIUM").hint("is it empty?");
        for answer in [Answer::Yes, Answer::No(error.clone()), Answer::NotYet(error), Answer::No(Error::new("a", "b"))]
        {
            assert_eq!(Answer::decode(&answer.encode()), answer);
        }
        assert!(matches!(Answer::decode(b""), Answer::NotYet(_)));
        assert!(matches!(Answer::decode(b"\xff"), Answer::NotYet(_)));
    }
}
