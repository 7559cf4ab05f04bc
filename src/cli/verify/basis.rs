//! What a verdict rests on, and what of it was not checked.

use serde::Serialize;

use crate::evidence::proof::Proof;

/// What was checked, as `verify --json` prints it. All is false of broken evidence.
#[derive(Debug, Default, Serialize)]
pub(super) struct Basis {
    /// Whether the quote has the nonce of this verifier.
    fresh: bool,
    /// Whether the key says of itself that it is fixed to a TPM and signs only what the TPM made. Anybody can make a key that says so: the
    /// verifier must have accepted it once.
    key_is_tpm: bool,
    /// Whether what started the agent is as expected.
    chain_checked: bool,
    /// What was not checked, in words.
    not_checked: Vec<String>,
}

/// How a report says that the chain was not checked.
const CHAIN: &str = "what started the agent was not checked";

impl Basis {
    /// What was checked of a proof. `unchecked` is what was not checked of its chain.
    pub(super) fn of(proof: &Proof, unchecked: &[String]) -> Self {
        let (fresh, key_is_tpm, chain_checked) = (proof.fresh, proof.key.name.is_some(), unchecked.is_empty());
        let words = [
            (!fresh).then(|| "whether the quote is fresh was not checked (--nonce)".to_owned()),
            (!key_is_tpm)
                .then(|| "whether the key belongs to a TPM was not checked: PEM and DER do not say it".to_owned()),
            (!chain_checked).then(|| format!("{CHAIN}: {}", unchecked.join("; "))),
        ];
        Self { fresh, key_is_tpm, chain_checked, not_checked: words.into_iter().flatten().collect() }
    }

    /// What was not checked of the chain.
    pub(super) fn chain(&self) -> Option<String> {
        self.not_checked.iter().find(|words| words.starts_with(CHAIN)).cloned()
    }
}
