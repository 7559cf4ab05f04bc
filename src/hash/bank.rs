//! The banks that PCRs come in, each with its hash.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::error::{Error, Result};
use crate::measure::pcr::Digest;

/// A PCR bank: the hash algorithm that its registers are extended with.
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
    /// Every bank whose hash this program has.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

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

    /// `TPM_ALG_ID`, by which logs and quotes name the hash (TCG Algorithm Registry 1.34, table 3).
    #[must_use]
    pub fn algorithm(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000B,
            Self::Sha384 => 0x000C,
            Self::Sha512 => 0x000D,
        }
    }

    /// The bank of a `TPM_ALG_ID`, or `None` when it is no hash of ours.
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

    /// A hash of this bank, ready for its first byte.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Sha384 => Hasher::Sha384(Sha384::new()),
            Self::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    /// The digest of a few bytes.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish()
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
            .ok_or_else(|| Error::new(text, "no such PCR bank").hint("known are sha1, sha256, sha384 and sha512"))
    }
}

impl Serialize for Bank {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A running hash of one bank.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// Running SHA-1.
    Sha1(Sha1),
    /// Running SHA-256.
    Sha256(Sha256),
    /// Running SHA-384.
    Sha384(Sha384),
    /// Running SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Hashes further bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes given.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::new(match self {
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha384(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_published_ones() {
        // FIPS 180-4 examples, message "abc".
        let table = [
            (Bank::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Bank::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ];
        for (bank, hex) in table {
            assert_eq!(bank.digest(b"abc").to_string(), hex);
        }
        assert!(Bank::Sha384.digest(b"abc").to_string().starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(Bank::Sha512.digest(b"abc").to_string().starts_with("ddaf35a193617abacc417349ae204131"));
    }
}
