//! The versions of TPMs: which one a TPM has, and which ones the command line accepts.

use serde::Serialize;

use crate::cmdline::choice::Choice;

/// The version of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TpmVersion {
    /// TPM 1.2. Its only bank is SHA-1.
    #[serde(rename = "1.2")]
    V1_2,
    /// TPM 2.0.
    #[serde(rename = "2.0")]
    V2_0,
}

/// `measureroot.tpm=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TpmChoice {
    /// A TPM of any version. The verifier decides what SHA-1 is worth.
    #[default]
    Any,
    /// At least one TPM 2.0. A TPM 1.2 beside it is extended, too.
    V2_0,
}

impl Choice for TpmChoice {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any), ("2.0", Self::V2_0)];
}
