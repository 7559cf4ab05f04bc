//! What protects commands and answers on the bus to the TPM: what is wanted, and what was had.

use serde::Serialize;

use crate::cmdline::choice::Choice;

/// `measureroot.session=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionChoice {
    /// An HMAC session, unless the TPM says that it can do none.
    #[default]
    Auto,
    /// An HMAC session. Nothing else finds out a bus that says in the TPM's name that it can do none.
    Hmac,
    /// None: the bus is believed.
    None,
}

impl Choice for SessionChoice {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("hmac", Self::Hmac), ("none", Self::None)];
}

/// What the commands went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// A salted HMAC session.
    Hmac,
    /// None.
    None,
}
