//! The output formats of `measureroot predict`.

use clap::ValueEnum;

use crate::error::{Error, Result};
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
    /// For a TPM 1.2: the file that tpm_nvdefine --filename takes, for an NV area that only the booted image can read.
    TpmNvdefine,
    /// For a TPM 1.2: the PCR values that tpm_updatepcrhash takes, for tpm_verifyquote.
    TpmUpdatepcrhash,
    /// The PCR's values for the Reference Value Provider Service of Trustee (Confidential Containers), a message of its type "sample"; no
    /// SHA-1 value unless --bank sha1 asks for it. It has no signature.
    Rvps,
    /// Reference values as a CoRIM (draft-ietf-rats-corim), in CBOR; with --sign, in a COSE_Sign1. For the banks sha256, sha384 and sha512.
    Corim,
    /// The list of trusted images as a statement of in-toto; with --sign, in an envelope (DSSE) that verify --allow --signed-by reads. With
    /// --allow-entry, all images of that list.
    InToto,
}

impl Format {
    /// The banks if --bank names none.
    pub(super) fn default_banks(self) -> Vec<Bank> {
        match self {
            Self::Hex | Self::Json | Self::Tpm2Yaml | Self::Pcrlock | Self::InToto => Bank::ALL.to_vec(),
            // Keylime, and Trustee's policy, accept a match in any bank. With SHA-1, an attacker may find a second image with the same digest.
            Self::Keylime | Self::Rvps | Self::Corim => {
                Bank::ALL.into_iter().filter(|&bank| bank != Bank::Sha1).collect()
            }
            // The default of tpm2-tools and systemd-cryptenroll.
            Self::Policy => vec![Bank::Sha256],
            Self::TpmNvdefine | Self::TpmUpdatepcrhash => vec![Bank::Sha1],
        }
    }

    /// Checks that the format has room for these banks.
    ///
    /// # Errors
    /// If it is one for a TPM 1.2, and a bank is not sha1; or if it is CoRIM, whose registry of hashes has no SHA-1.
    pub(super) fn check(self, banks: &[Bank]) -> Result<()> {
        match self {
            Self::TpmNvdefine | Self::TpmUpdatepcrhash if banks != [Bank::Sha1] => {
                Err(Error::new("--bank", "a TPM 1.2 has the bank sha1 alone")
                    .hint("leave --bank out, or choose another --format"))
            }
            Self::Corim if banks.contains(&Bank::Sha1) => Err(Error::new("--bank", "a CoRIM names no SHA-1")
                .hint("leave --bank sha1 out, or choose another --format")),
            _ => Ok(()),
        }
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether the format has a place for a signature.
    pub(super) fn can_be_signed(self) -> bool {
        matches!(self, Self::Corim | Self::InToto)
    }
}
