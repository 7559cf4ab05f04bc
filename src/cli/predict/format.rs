//! The output formats of `measureroot predict`.

use clap::ValueEnum;

use crate::hash::bank::Bank;

/// The output format of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The PCR of each bank, one value per line; --before takes such values.
    Hex,
    /// The image, and for each bank the digest and the PCR before and after.
    Json,
    /// The output of tpm2_pcrread.
    Tpm2Yaml,
    /// A component for systemd-pcrlock; see systemd.pcrlock(5).
    Pcrlock,
    /// A tpm_policy for Keylime; has no SHA-1 value unless --bank sha1 asks for it.
    Keylime,
    /// The digest of a TPM2_PolicyPCR in a SHA-256 session, to seal a secret with; for bank sha256 unless --bank names others.
    Policy,
}

impl Format {
    /// The banks if --bank names none.
    pub(super) fn default_banks(self) -> Vec<Bank> {
        match self {
            Self::Hex | Self::Json | Self::Tpm2Yaml | Self::Pcrlock => Bank::ALL.to_vec(),
            // Keylime accepts a match in any bank. With SHA-1, an attacker may find a second image with the same digest.
            Self::Keylime => Bank::ALL.into_iter().filter(|&bank| bank != Bank::Sha1).collect(),
            // The default of tpm2-tools and systemd-cryptenroll.
            Self::Policy => vec![Bank::Sha256],
        }
    }
}
