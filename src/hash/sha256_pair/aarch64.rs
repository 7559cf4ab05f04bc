//! Two SHA-256 with the SHA instructions of aarch64 (Arm, Architecture Reference Manual, FEAT_SHA256: SHA256H, SHA256H2,
//! SHA256SU0, SHA256SU1).
#![allow(unsafe_code)]
#![allow(clippy::wildcard_imports, clippy::many_single_char_names)] // Names of instructions, and of FIPS 180-4.

use std::arch::aarch64::*;

use crate::hash::sha256_state::{CompressBoth, K, MessageBlock, State};

cpufeatures::new!(sha_instructions, "sha2");

/// [`compress`], if this processor can run it.
pub(super) fn compress_both() -> Option<CompressBoth> {
    // SAFETY: `compress` is called only through this value, which exists only on processors with the target feature
    // that `compress` enables. It has no other condition.
    sha_instructions::get().then_some(|states, blocks| unsafe { compress(states, blocks) })
}

#[target_feature(enable = "sha2")]
fn compress(states: [&mut State; 2], [first, second]: [&[MessageBlock]; 2]) {
    let [a, b] = states;
    let (mut abcd_a, mut efgh_a) = split(a);
    let (mut abcd_b, mut efgh_b) = split(b);
    for (first, second) in first.iter().zip(second) {
        let before = (abcd_a, efgh_a, abcd_b, efgh_b);
        let (mut a0, mut a1, mut a2, mut a3) = (words(first, 0), words(first, 1), words(first, 2), words(first, 3));
        let (mut b0, mut b1, mut b2, mut b3) = (words(second, 0), words(second, 1), words(second, 2), words(second, 3));
        // Four rounds of each message, with four words of each and their constants.
        macro_rules! rounds {
            ($k:expr, $a:ident, $b:ident) => {
                let k = load($k);
                let (a, b) = (vaddq_u32($a, k), vaddq_u32($b, k));
                let (abcd, other) = (abcd_a, abcd_b);
                abcd_a = vsha256hq_u32(abcd_a, efgh_a, a);
                abcd_b = vsha256hq_u32(abcd_b, efgh_b, b);
                efgh_a = vsha256h2q_u32(efgh_a, abcd, a);
                efgh_b = vsha256h2q_u32(efgh_b, other, b);
            };
        }
        // The four words that follow $d, in place of $a.
        macro_rules! schedule {
            ($a:ident, $b:ident, $c:ident, $d:ident) => {
                $a = vsha256su1q_u32(vsha256su0q_u32($a, $b), $c, $d);
            };
        }
        let [scheduled @ .., last] = &K;
        for k in scheduled {
            rounds!(&k[0], a0, b0);
            schedule!(a0, a1, a2, a3);
            schedule!(b0, b1, b2, b3);
            rounds!(&k[1], a1, b1);
            schedule!(a1, a2, a3, a0);
            schedule!(b1, b2, b3, b0);
            rounds!(&k[2], a2, b2);
            schedule!(a2, a3, a0, a1);
            schedule!(b2, b3, b0, b1);
            rounds!(&k[3], a3, b3);
            schedule!(a3, a0, a1, a2);
            schedule!(b3, b0, b1, b2);
        }
        rounds!(&last[0], a0, b0);
        rounds!(&last[1], a1, b1);
        rounds!(&last[2], a2, b2);
        rounds!(&last[3], a3, b3);
        abcd_a = vaddq_u32(abcd_a, before.0);
        efgh_a = vaddq_u32(efgh_a, before.1);
        abcd_b = vaddq_u32(abcd_b, before.2);
        efgh_b = vaddq_u32(efgh_b, before.3);
    }
    join(a, abcd_a, efgh_a);
    join(b, abcd_b, efgh_b);
}

/// Words 4 * `number` to 4 * `number` + 3 of a block. The lowest word of the register is the first.
#[inline]
#[target_feature(enable = "sha2")]
fn words(block: &MessageBlock, number: usize) -> uint32x4_t {
    let (quarters, _) = block.as_chunks::<16>();
    // SAFETY: the pointer is to the 16 bytes that the instruction reads; it needs no alignment.
    let bytes = unsafe { vld1q_u8(quarters[number].as_ptr()) };
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}

#[inline]
#[target_feature(enable = "sha2")]
fn load(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the pointer is to the four words that the instruction reads.
    unsafe { vld1q_u32(words.as_ptr()) }
}

/// The state as the instructions want it: A to D in one register, E to H in the other, the lowest word first.
#[target_feature(enable = "sha2")]
fn split(&[a, b, c, d, e, f, g, h]: &State) -> (uint32x4_t, uint32x4_t) {
    (load(&[a, b, c, d]), load(&[e, f, g, h]))
}

/// Undoes [`split`].
#[target_feature(enable = "sha2")]
fn join(state: &mut State, abcd: uint32x4_t, efgh: uint32x4_t) {
    let (halves, _) = state.as_chunks_mut::<4>();
    // SAFETY: each pointer is to the four words that the instruction writes.
    unsafe {
        vst1q_u32(halves[0].as_mut_ptr(), abcd);
        vst1q_u32(halves[1].as_mut_ptr(), efgh);
    }
}
