//! SHA-256 and HMAC with SHA-256, over data that comes in pieces; for `measureroot attest` also SHA-384.

use hmac::{Hmac, KeyInit, Mac};
#[cfg(feature = "attest")]
use sha2::Sha384;
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 digest.
pub const DIGEST: usize = 32;
/// Bytes of the longest digest.
pub const LONGEST: usize = if cfg!(feature = "attest") { 48 } else { DIGEST };

/// The state of an unfinished digest.
#[derive(Debug, Clone)]
pub enum Hashing {
    /// SHA-256 (FIPS 180-4).
    Plain(Sha256),
    /// HMAC with SHA-256 (FIPS 198-1).
    Keyed(Hmac<Sha256>),
    /// SHA-384 (FIPS 180-4).
    #[cfg(feature = "attest")]
    Long(Sha384),
}

impl Hashing {
    /// A hash without a key.
    #[must_use]
    pub fn plain() -> Self {
        Self::Plain(Sha256::new())
    }

    /// A hash with SHA-384 without a key.
    #[cfg(feature = "attest")]
    #[must_use]
    pub fn long() -> Self {
        Self::Long(Sha384::new())
    }

    /// How many bytes the digest has.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Keyed(_) => DIGEST,
            #[cfg(feature = "attest")]
            Self::Long(_) => LONGEST,
        }
    }

    /// An HMAC with a key of any length. It is never `None`, but the crate `hmac` returns a result.
    #[must_use]
    pub fn keyed(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self::Keyed)
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(hash) => hash.update(bytes),
            Self::Keyed(hash) => hash.update(bytes),
            #[cfg(feature = "attest")]
            Self::Long(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes that were added: the first [`Self::length`] bytes.
    #[must_use]
    pub fn finish(self) -> [u8; LONGEST] {
        let mut digest = [0; LONGEST];
        let (short, _) = digest.split_at_mut(DIGEST);
        match self {
            Self::Plain(hash) => short.copy_from_slice(&hash.finalize()),
            Self::Keyed(hash) => short.copy_from_slice(&hash.finalize().into_bytes()),
            #[cfg(feature = "attest")]
            Self::Long(hash) => digest.copy_from_slice(&hash.finalize()),
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds the text in two pieces, as ESYS does.
    fn digest(mut hashing: Hashing, text: &str) -> String {
        let (first, second) = text.split_at(text.len() / 3);
        hashing.update(first.as_bytes());
        hashing.update(second.as_bytes());
        let length = hashing.length();
        hex::encode(&hashing.finish()[..length])
    }

    /// FIPS 180-4's example.
    #[cfg(feature = "attest")]
    #[test]
    fn sha384_matches_a_published_digest() {
        let wanted = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
        assert_eq!(digest(Hashing::long(), "abc"), wanted);
    }

    /// FIPS 180-4's example and the empty text.
    #[test]
    fn sha256_matches_published_digests() {
        assert_eq!(digest(Hashing::plain(), "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest(Hashing::plain(), ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    /// RFC 4231, test cases 1, 2 and 6.
    #[test]
    fn hmac_matches_published_digests() {
        let table: [(&[u8], &str, &str); 3] = [
            (&[0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, text, wanted) in table {
            assert_eq!(digest(Hashing::keyed(key).unwrap(), text), wanted);
        }
    }
}
