//! What a verifier accepts without proof, because it says so by name.

use super::chain_judgement::ChainJudgement;
use super::proof::Proof;

/// How much of the chain that started the agent need not be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AcceptedStart {
    /// All of it must be.
    #[default]
    Nothing,
    /// The firmware: nothing need vouch for it. A bank that the firmware does not measure into can have what the running system wants.
    Firmware,
    /// All of it: also a PCR that differs from the entry's chain does not count. Who can start another program in the agent's place can then
    /// extend the PCR with any digest.
    All,
}

/// What the verdict *trusted* need not rest on. By default, it rests on all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accepted {
    /// What of the chain that started the agent need not be checked.
    pub start: AcceptedStart,
    /// A quote that does not answer a nonce, or only a short one. It may be from any earlier boot.
    pub any_nonce: bool,
    /// A key that does not say that it belongs to a TPM. The verifier knows it from elsewhere.
    pub key_is_trusted: bool,
}

impl Accepted {
    /// Why the machine that booted an image of this name is not trusted: what is neither proven nor accepted, each with what to do.
    pub(super) fn against(self, proof: &Proof, chain: &ChainJudgement, name: &str) -> Option<String> {
        let quote = |(why, what)| {
            format!("the quote may be from any earlier boot: {why} ({what}, or accept it with --any-nonce)")
        };
        let key = || {
            "the key does not say that it belongs to a TPM (give it in the TPM's own format, or accept it with --key-is-trusted)"
                .to_owned()
        };
        let accepts = if chain.unchecked.is_firmware_alone() { "--any-firmware" } else { "--image-only" };
        let start = || {
            let open = chain.unchecked.words().join("; ");
            format!(
                "what started the agent was not checked: {open} (give --expect or predict --like, or accept it with {accepts})"
            )
        };
        let is_start_accepted = match self.start {
            AcceptedStart::Nothing => chain.unchecked.is_empty(),
            AcceptedStart::Firmware => chain.unchecked.is_firmware_alone(),
            AcceptedStart::All => true,
        };
        let reasons = [
            proof.fresh.doubt().filter(|_| !self.any_nonce).map(quote),
            (!proof.key.is_of_a_tpm() && !self.key_is_trusted).then(key),
            (!is_start_accepted).then(start),
        ];
        let reasons: Vec<_> = reasons.into_iter().flatten().collect();
        (!reasons.is_empty()).then(|| format!("{name} was booted, but {}", reasons.join("; and ")))
    }
}
