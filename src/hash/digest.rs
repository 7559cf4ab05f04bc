//! Digests, and the hashes that give them.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The bytes of a digest or of a PCR; prints as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(Vec<u8>);

impl Digest {
    /// What a hash of ours gave.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A digest read from a TPM or a person, of the length that `bank` has.
    ///
    /// # Errors
    /// When the length is another.
    pub fn from_bytes(bank: Bank, bytes: &[u8]) -> Result<Self> {
        if bytes.len() == bank.digest_len() {
            Ok(Self(bytes.to_vec()))
        } else {
            let cause = format!("{} bytes where a {bank} digest has {}", bytes.len(), bank.digest_len());
            Err(Error::new("digest", cause))
        }
    }

    /// A PCR as the TPM starts with it (0-15 and 23: all zero; TCG PC Client Platform TPM Profile 1.05, section 4.6).
    #[must_use]
    pub fn zero(bank: Bank) -> Self {
        Self(vec![0; bank.digest_len()])
    }

    /// A PCR whose bits are all one: what the registers of a dynamic launch start with.
    #[must_use]
    pub(crate) fn ones(bank: Bank) -> Self {
        Self(vec![0xFF; bank.digest_len()])
    }

    /// The same with another last byte.
    #[must_use]
    pub(crate) fn with_last_byte(mut self, last: u8) -> Self {
        if let Some(byte) = self.0.last_mut() {
            *byte = last;
        }
        self
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of a PCR after an extend: H(before || digest) (TPM 2.0 Library, Part 1, section 17.2).
    #[must_use]
    pub fn extended(&self, bank: Bank, digest: &Self) -> Self {
        let mut hasher = bank.hasher();
        hasher.update(&self.0);
        hasher.update(&digest.0);
        hasher.finish()
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One digest a bank.
pub type Digests = BTreeMap<Bank, Digest>;

/// The digest of a short text in every one of `banks`: what marks a PCR whose boot was not a measured one.
#[must_use]
pub fn digests_of(banks: &[Bank], bytes: &[u8]) -> Digests {
    banks.iter().map(|&bank| (bank, bank.digest(bytes))).collect()
}

impl Bank {
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

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert!(Digest::from_bytes(Bank::Sha256, &[0; 20]).is_err());
        assert!(Digest::from_bytes(Bank::Sha1, &[0; 20]).is_ok());
    }
}
