//! The arguments for what a verifier accepts without proof.

use clap::Args;

use crate::evidence::accepted::{Accepted, AcceptedStart};

/// How much of the chain need not be checked.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
struct Start {
    /// Trust the image, whatever started the agent: the other PCRs need no expected values, and what differs from the list's chain is
    /// reported, but does not count. Who can start another program in the agent's place can extend the PCR with any digest.
    #[arg(long)]
    image_only: bool,
    /// Trust any firmware: PCR 0 and 2 need no expected values. You know from elsewhere that it measures into the quoted banks.
    #[arg(long)]
    any_firmware: bool,
}

/// What the verdict need not rest on.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct AcceptedGaps {
    #[command(flatten)]
    start: Start,
    /// Trust a quote that answers no nonce, or one of less than 8 bytes. It may be from any earlier boot. A nonce of --nonce must be in it all
    /// the same.
    #[arg(long)]
    any_nonce: bool,
    /// Trust the key in a file of evidence, whoever made it. Anybody can make a key that says that it belongs to a TPM.
    #[arg(long, requires = "evidence", conflicts_with = "key")]
    any_key: bool,
    /// Trust a key in PEM or DER, which does not say that it belongs to a TPM: you know it from elsewhere.
    #[arg(long)]
    key_is_trusted: bool,
}

impl AcceptedGaps {
    /// Whether the key in a file of evidence is trusted, whoever made it.
    pub(super) fn any_key(self) -> bool {
        self.any_key
    }
}

impl From<AcceptedGaps> for Accepted {
    fn from(AcceptedGaps { start, any_nonce, key_is_trusted, .. }: AcceptedGaps) -> Self {
        let start = match start {
            Start { image_only: true, .. } => AcceptedStart::All,
            Start { any_firmware: true, .. } => AcceptedStart::Firmware,
            Start { .. } => AcceptedStart::Nothing,
        };
        Self { start, any_nonce, key_is_trusted }
    }
}
