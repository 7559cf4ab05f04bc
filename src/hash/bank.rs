//! The PCR banks, each with its hash algorithm.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// A PCR bank. Its hash algorithm extends its PCRs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bank {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl Bank {
    /// Every bank whose hash algorithm this program has.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// These banks in the order of [`Self::ALL`], each once. Few items need no sort, whose code is large.
    pub(crate) fn in_order(banks: &[Self]) -> Vec<Self> {
        Self::ALL.into_iter().filter(|bank| banks.contains(bank)).collect()
    }

    /// The name that tpm2-tools and the kernel's sysfs use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// `TPM_ALG_ID`: logs and quotes name the hash algorithm by it (TCG Algorithm Registry 1.34, table 3).
    #[must_use]
    pub fn algorithm(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
        }
    }

    /// The bank of a `TPM_ALG_ID`; `None` if this program does not have its hash algorithm.
    #[must_use]
    pub fn of_algorithm(algorithm: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|bank| bank.algorithm() == algorithm)
    }

    /// Length of a digest in bytes (FIPS 180-4, figure 1).
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bank {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|bank| bank.name() == text)
            .ok_or_else(|| Error::new(text, "no such PCR bank").hint("use sha1, sha256, sha384 or sha512"))
    }
}

impl Serialize for Bank {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
