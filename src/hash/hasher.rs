//! The running hash of each bank.

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

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
