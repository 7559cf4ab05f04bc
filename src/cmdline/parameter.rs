//! Reads the value of one parameter from the tokens. Every error names the token it is about.

use std::time::Duration;

use crate::cmdline::number::decimal;
use crate::cmdline::tokens::Token;
use crate::error::{Error, Result};

/// The value of `key`; `None` if there is no such token. The same value may be given several times.
///
/// # Errors
/// For two different values, because it is unknown which one is right; for a missing value; and for a value that is not
/// UTF-8.
pub(crate) fn value<'a>(tokens: &'a [Token], key: &str) -> Result<Option<&'a str>> {
    let mut found: Option<&Token> = None;
    for token in tokens.iter().filter(|token| token.key == key.as_bytes()) {
        match found {
            Some(first) if first != token => {
                return Err(Error::new(token, format_args!("conflicts with {first}")).hint("give one of them only"));
            }
            _ => found = Some(token),
        }
    }
    let Some(token) = found else { return Ok(None) };
    let bytes = token.value.as_deref().filter(|bytes| !bytes.is_empty());
    match bytes.map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) if token.ends_before_a_no_break_space() => {
            Err(Error::new(token, "malformed value").hint("a no-break space stands behind it: write a blank"))
        }
        Some(Err(_)) => Err(Error::new(token, "malformed value").hint("not UTF-8")),
        None => Err(Error::new(token, "has no value").hint(format_args!("write {key}=..."))),
    }
}

/// The value of `key`, read by `read`.
///
/// # Errors
/// The errors of [`value`] and of `read`.
#[inline(never)] // Copies of it in the reading of the configuration would take 2 KB of the agent.
pub(crate) fn parsed<T>(tokens: &[Token], key: &str, read: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    let Some(text) = value(tokens, key)? else { return Ok(None) };
    read(text).map(Some).map_err(|error| about_parameter(error, key, text))
}

/// The same error about the parameter. It is a separate function, so that the agent has one copy for all types of values.
#[cold]
#[inline(never)]
fn about_parameter(error: Error, key: &str, text: &str) -> Error {
    error.renamed(format_args!("{key}={text}"))
}

/// The value of `key` as whole seconds, at most a day.
///
/// # Errors
/// The errors of [`value`], and for a value that is no such number.
pub(crate) fn seconds(tokens: &[Token], key: &str) -> Result<Option<Duration>> {
    parsed(tokens, key, whole_seconds)
}

fn whole_seconds(text: &str) -> Result<Duration> {
    match decimal(text) {
        Some(seconds @ 0..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(Error::new(text, "malformed value").hint("whole seconds, at most 86400, in decimal digits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::tokens;

    #[test]
    fn a_value_that_is_no_text_has_the_hint_that_fits() {
        for (line, hint) in [
            (&b"root=a\xc2\xa0ro"[..], "(a no-break space stands behind it: write a blank)"),
            (b"root=a\xffb ro", "(not UTF-8)"),
        ] {
            let error = value(&tokens::parse(line), "root").unwrap_err().to_string();
            assert!(error.ends_with(hint), "{error}");
        }
    }
}
