//! The SHA-256 of an image, which is computed beside those of the Merkle tree's leaves.

use sha2::block_api::compress256;

use crate::hash::digest::Digest;
use crate::hash::sha256_state::{self, MessageBlock, START, State};

/// A running SHA-256 that takes whole blocks of a tree: each is a whole number of blocks of the hash, too.
#[derive(Debug)]
pub(crate) struct ImageSha256 {
    state: State,
    bytes: u64,
}

impl ImageSha256 {
    /// The hash of no bytes.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { state: START, bytes: 0 }
    }

    /// Counts `block`, and returns what is compressed for it: the state, and the blocks to add.
    pub(crate) fn add<'a>(&'a mut self, block: &'a [u8]) -> (&'a mut State, &'a [MessageBlock]) {
        self.bytes += block.len() as u64;
        (&mut self.state, block.as_chunks().0)
    }

    /// The digest of all bytes that were added, and of `rest`.
    #[must_use]
    pub(crate) fn finish(mut self, rest: &[u8]) -> Digest {
        let mut message = rest.to_vec();
        sha256_state::pad(&mut message, self.bytes + rest.len() as u64);
        compress256(&mut self.state, message.as_chunks().0);
        Digest::new(sha256_state::digest(self.state).to_vec())
    }
}
