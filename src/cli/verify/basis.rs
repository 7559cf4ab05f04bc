//! What a verdict rests on, and what of it was not checked.

use serde::Serialize;

use crate::evidence::proof::Proof;
use crate::evidence::unchecked::Unchecked;

/// What was checked, as `verify --json` prints it. All is false of broken evidence.
#[derive(Debug, Default, Serialize)]
pub(super) struct Basis {
    /// Whether the quote has the nonce of this verifier, of at least 8 bytes.
    fresh: bool,
    /// Whether the key says of itself that it is fixed to a TPM and signs only what the TPM made. Anybody can make a key that says so: the
    /// verifier must have accepted it once.
    key_is_tpm: bool,
    /// Whether what started the agent is as expected.
    chain_checked: bool,
    /// What was not checked, in words.
    not_checked: Vec<String>,
}

impl Basis {
    /// What was checked of a proof. `unchecked` is what was not checked of its chain.
    pub(super) fn of(proof: &Proof, unchecked: &Unchecked) -> Self {
        let doubt = proof.fresh.doubt();
        let (fresh, key_is_tpm, chain_checked) = (doubt.is_none(), proof.key.is_of_a_tpm(), unchecked.is_empty());
        let words = [
            doubt.map(|(why, what)| format!("whether the quote is fresh was not checked: {why} ({what})")),
            (!key_is_tpm)
                .then(|| "whether the key belongs to a TPM was not checked: its format does not say it".to_owned()),
            (!chain_checked)
                .then(|| format!("what started the agent was not checked: {}", unchecked.words().join("; "))),
        ];
        Self { fresh, key_is_tpm, chain_checked, not_checked: words.into_iter().flatten().collect() }
    }

    /// Adds what else was not checked.
    pub(super) fn add_unchecked(&mut self, words: String) {
        self.not_checked.push(words);
    }

    /// What was not checked, in words.
    pub(super) fn not_checked(&self) -> &[String] {
        &self.not_checked
    }
}
