//! Two SHA-256 in one thread, block by block side by side.
//!
//! A processor's SHA instruction gives its result only cycles after the next one could start. One message cannot use them,
//! because each step needs the result of the one before. A second message can: both take hardly longer than one alone.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use sha2::block_api::compress256;

#[cfg(target_arch = "aarch64")]
use crate::hash::sha256_pair::aarch64 as processor;
#[cfg(target_arch = "x86_64")]
use crate::hash::sha256_pair::x86_64 as processor;
use crate::hash::sha256_state::{CompressBoth, MessageBlock, START, State};
use crate::say;

/// The way two messages are hashed on this processor.
#[derive(Debug, Clone, Copy)]
pub struct Sha256Pair {
    /// `None` if this processor has no SHA instructions: then sha2 hashes one message after the other.
    both: Option<CompressBoth>,
    checked: bool,
}

impl Sha256Pair {
    /// The fastest way for this processor.
    #[must_use]
    pub fn of_processor() -> Self {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        let both = processor::compress_both();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let both = None;
        Self { both, checked: false }
    }

    /// Another way, which may be wrong.
    #[cfg(test)]
    pub(crate) fn of(both: CompressBoth) -> Self {
        Self { both: Some(both), checked: false }
    }

    /// The way of a processor without SHA instructions.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { both: None, checked: true }
    }

    /// Whether two messages take less time side by side than one after the other.
    #[must_use]
    pub fn is_faster(&self) -> bool {
        self.both.is_some()
    }

    /// Adds all blocks of each message to its state. The messages may have different lengths.
    pub fn compress(&self, [a, b]: [&mut State; 2], [mut first, mut second]: [&[MessageBlock]; 2]) {
        if let Some(both) = self.both {
            both([a, b], [first, second]);
            let common = first.len().min(second.len());
            (first, second) = (&first[common..], &second[common..]);
        }
        compress256(a, first);
        compress256(b, second);
    }

    /// Hashes bytes in both ways, once for each value of this type. A processor or a hypervisor whose instructions err
    /// would make a tree that no later read matches. From a difference on, sha2 alone is used. It has SHA instructions of its own: those
    /// were compared with a published digest before (`hasher::check`).
    pub(crate) fn check(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || std::mem::replace(&mut self.checked, true) {
            return;
        }
        let (blocks, _) = bytes.as_chunks();
        let messages = [blocks, blocks.get(1..).unwrap_or_default()];
        let [mut found, mut expected] = [[START; 2]; 2];
        self.compress(found.each_mut(), messages);
        Self { both: None, checked: true }.compress(expected.each_mut(), messages);
        if found != expected {
            say::warn!("SHA-256: the processor errs in two at a time: each is hashed alone");
            self.both = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256_state;

    fn noise(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[4]).collect()
    }

    /// The states of the first and the second message after `lengths` blocks.
    fn states(pair: Sha256Pair, lengths: [usize; 2]) -> [State; 2] {
        let noise = noise(1024);
        let (blocks, _) = noise.as_chunks();
        // The states differ from the start, so that a mix-up shows.
        let mut states = [START, START.map(|word| !word)];
        pair.compress(states.each_mut(), [&blocks[..lengths[0]], &blocks[5..5 + lengths[1]]]);
        states
    }

    #[test]
    fn two_messages_of_any_lengths_have_the_states_that_sha2_computes() {
        for lengths in (0..6).flat_map(|first| (0..6).map(move |second| [first, second])) {
            assert_eq!(states(Sha256Pair::of_processor(), lengths), states(Sha256Pair::none(), lengths), "{lengths:?}");
        }
    }

    #[test]
    fn the_published_digests_come_out_on_either_side() {
        // FIPS 180-4 examples: "abc", and one of 448 bits, whose padding needs a second block.
        let table = [
            (&b"abc"[..], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ];
        let padded = table.map(|(message, _)| {
            let mut padded = message.to_vec();
            sha256_state::pad(&mut padded, message.len() as u64);
            padded
        });
        for [first, second] in [[0, 1], [1, 0], [0, 0], [1, 1]] {
            let mut states = [START; 2];
            let messages = [padded[first].as_chunks().0, padded[second].as_chunks().0];
            Sha256Pair::of_processor().compress(states.each_mut(), messages);
            let found = states.map(|state| hex::encode(sha256_state::digest(state)));
            assert_eq!(found, [table[first].1, table[second].1]);
        }
    }

    #[test]
    fn a_way_that_errs_is_not_used_after_the_check() {
        let wrong: [CompressBoth; 3] = [
            |_, _| (),
            |[a, _], [first, second]| compress256(a, &first[..first.len().min(second.len())]),
            |[a, b], [first, second]| {
                let common = first.len().min(second.len());
                compress256(a, &first[..common]);
                compress256(b, &second[..common]);
                b[7] ^= 1 << 31;
            },
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            let mut pair = Sha256Pair::of(wrong);
            pair.check(&noise(512));
            assert!(!pair.is_faster(), "{number}");
            assert_eq!(states(pair, [3, 2]), states(Sha256Pair::none(), [3, 2]), "{number}");
        }
        let mut right = Sha256Pair::of(|[a, b], [first, second]| {
            let common = first.len().min(second.len());
            compress256(a, &first[..common]);
            compress256(b, &second[..common]);
        });
        right.check(&noise(512));
        assert!(right.is_faster());
    }
}
