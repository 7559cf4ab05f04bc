//! Digests, and the extend of a PCR.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The bytes of a digest or of a PCR; prints as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(Vec<u8>);

impl Digest {
    /// The result of one of our hashes.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A digest that a TPM or a person gave. It must be as long as a digest of `bank`.
    ///
    /// # Errors
    /// When the length is wrong.
    pub fn from_bytes(bank: Bank, bytes: &[u8]) -> Result<Self> {
        if bytes.len() == bank.digest_len() {
            Ok(Self(bytes.to_vec()))
        } else {
            let cause = format!("{} bytes, but a {bank} digest has {}", bytes.len(), bank.digest_len());
            Err(Error::new("digest", cause))
        }
    }

    /// The value that a PCR starts with, all bits zero (PCRs 0-16 and 23; TCG PC Client Platform TPM Profile 1.05,
    /// section 4.6).
    #[must_use]
    pub fn zero(bank: Bank) -> Self {
        Self(vec![0; bank.digest_len()])
    }

    /// The value with all bits one, which the PCRs of a dynamic launch start with.
    #[must_use]
    pub(crate) fn ones(bank: Bank) -> Self {
        Self(vec![0xFF; bank.digest_len()])
    }

    /// The same digest with another last byte.
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

/// A digest for each bank.
pub type Digests = BTreeMap<Bank, Digest>;

/// Collects digests. `collect()` sorts them first: the agent would have that sort, which takes 2.7 KB, for each caller.
pub(crate) fn collected(digests: impl Iterator<Item = (Bank, Digest)>) -> Digests {
    let mut all = Digests::new();
    all.extend(digests);
    all
}

/// The digest of a few bytes in each of `banks`.
#[must_use]
pub fn digests_of(banks: &[Bank], bytes: &[u8]) -> Digests {
    collected(banks.iter().map(|&bank| (bank, bank.digest(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert!(Digest::from_bytes(Bank::Sha256, &[0; 20]).is_err());
        assert!(Digest::from_bytes(Bank::Sha1, &[0; 20]).is_ok());
    }
}
