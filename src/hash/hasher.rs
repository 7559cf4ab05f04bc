//! The running hash of each bank.

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

impl Bank {
    /// A hash of this bank that has no bytes yet.
    #[must_use]
    pub(crate) fn hasher(self) -> Hasher {
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

    /// Whether `digest` begins as the published digest of "abc" does (FIPS 180-4, examples).
    fn begins_as_published(self, digest: &Digest) -> bool {
        let published = match self {
            Self::Sha1 => 0xa999_3e36_4706_816a,
            Self::Sha256 => 0xba78_16bf_8f01_cfea,
            Self::Sha384 => 0xcb00_753f_45a3_5e8b,
            Self::Sha512 => 0xddaf_35a1_9361_7aba,
        };
        digest.as_bytes().first_chunk().is_some_and(|first| u64::from_be_bytes(*first) == published)
    }
}

/// Hashes "abc" once with the hash of each bank. The hashes use a processor's SHA instructions if it has them, and a processor or a
/// hypervisor whose instructions always err would give the image digests that no prediction knows.
///
/// # Errors
/// When a digest is not the published one.
pub(super) fn check(banks: &[Bank], hash: fn(Bank, &[u8]) -> Digest) -> Result<()> {
    match banks.iter().find(|bank| !bank.begins_as_published(&hash(**bank, b"abc"))) {
        Some(bank) => Err(Error::new(bank, "this processor computes it wrongly")
            .hint("is the processor faulty, or does a hypervisor emulate its SHA instructions wrongly? hide them from this machine")),
        None => Ok(()),
    }
}

/// A running hash of one bank.
#[derive(Debug, Clone)]
pub(crate) enum Hasher {
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
    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha1(hash) => owned(&hash.finalize()),
            Self::Sha256(hash) => owned(&hash.finalize()),
            Self::Sha384(hash) => owned(&hash.finalize()),
            Self::Sha512(hash) => owned(&hash.finalize()),
        }
    }
}

#[inline(never)] // The agent is smaller then.
fn owned(digest: &[u8]) -> Digest {
    Digest::new(digest.to_vec())
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
    fn a_processor_that_errs_in_one_hash_is_found() {
        check(&Bank::ALL, Bank::digest).unwrap();
        for bank in Bank::ALL {
            assert_eq!(check(&[bank], |bank, _| Digest::zero(bank)).unwrap_err().object(), bank.name());
        }
        let error = check(&[Bank::Sha1, Bank::Sha384], |bank, bytes| match bank {
            Bank::Sha384 => Digest::zero(bank),
            bank => bank.digest(bytes),
        });
        assert_eq!(error.unwrap_err().object(), "sha384");
    }
}
