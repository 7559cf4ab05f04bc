//! The checks that evidence must pass before it proves anything.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::error::{Error, Result};

/// A check of the evidence. Its name is part of the output of `measureroot verify --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The file of `measureroot attest` is well-formed.
    Evidence,
    /// The quote is well-formed.
    Quote,
    /// The key is well-formed, and its quotes can prove something.
    Key,
    /// The key signed the quote.
    Signature,
    /// The quote has the verifier's nonce.
    Nonce,
    /// The quote has the PCR.
    Selection,
    /// The values that were sent with the quote are the quoted ones.
    Values,
    /// The logs are well-formed and lead to the quoted PCRs.
    Log,
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Evidence that failed a check, so it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The check that failed.
    pub check: Check,
    /// Why it failed.
    pub error: Error,
}

/// Names the check that an error belongs to.
pub(super) trait Checked<T> {
    /// Turns the error into one of `check`.
    fn checked(self, check: Check) -> std::result::Result<T, Broken>;
}

impl<T> Checked<T> for Result<T> {
    fn checked(self, check: Check) -> std::result::Result<T, Broken> {
        self.map_err(|error| Broken { check, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_shown_by_its_name_in_json() {
        assert_eq!((Check::Quote.to_string(), Check::Log.to_string()), ("quote".to_owned(), "log".to_owned()));
    }
}
