//! The session that protects commands and answers on the bus to the TPM: which one is wanted, and which one was used.

use serde::Serialize;

use crate::cmdline::choice::Choice;

/// `measureroot.session=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionChoice {
    /// An HMAC session, or none if the TPM answers that it does not support one.
    #[default]
    Auto,
    /// An HMAC session, or an error. An attacker on the bus can forge the answer that the TPM supports no session; only this
    /// choice does not accept it.
    Hmac,
    /// No session: commands and answers on the bus are not protected.
    None,
}

impl Choice for SessionChoice {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("hmac", Self::Hmac), ("none", Self::None)];
}

/// The session that the commands used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// A salted HMAC session.
    Hmac,
    /// No session.
    None,
}
