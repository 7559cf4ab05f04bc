//! The nonce of a quote: the verifier chose it, so that an old quote is no answer.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::evidence::library_words;

/// The nonce.
#[derive(Debug, Clone)]
pub(super) struct Nonce(pub(super) Vec<u8>);

impl FromStr for Nonce {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match library_words::hex(text, text)? {
            empty if empty.is_empty() => Err(Error::new("nonce", "empty")),
            bytes => Ok(Self(bytes)),
        }
    }
}
