//! Two SHA-256 with the SHA instructions of x86-64 (Intel, Software Developer's Manual, volume 2: SHA256RNDS2, SHA256MSG1,
//! SHA256MSG2). All registers are in use: with more unrolling, or with three messages, some spill and it is slower.
#![allow(unsafe_code)]
#![allow(clippy::wildcard_imports, clippy::many_single_char_names)] // Names of instructions, and of FIPS 180-4.

use std::arch::x86_64::*;

use crate::hash::sha256_state::{CompressBoth, K, MessageBlock, State};

cpufeatures::new!(sha_instructions, "sha", "sse4.1");

/// [`compress`], if this processor can run it.
pub(super) fn compress_both() -> Option<CompressBoth> {
    // SAFETY: `compress` is called only through this value, which exists only on processors with the target features
    // that `compress` enables. It has no other condition.
    sha_instructions::get().then_some(|states, blocks| unsafe { compress(states, blocks) })
}

#[target_feature(enable = "sha,sse4.1")]
fn compress(states: [&mut State; 2], [first, second]: [&[MessageBlock]; 2]) {
    let [a, b] = states;
    let (mut abef_a, mut cdgh_a) = split(a);
    let (mut abef_b, mut cdgh_b) = split(b);
    for (first, second) in first.iter().zip(second) {
        let before = (abef_a, cdgh_a, abef_b, cdgh_b);
        let (mut a0, mut a1, mut a2, mut a3) = (words(first, 0), words(first, 1), words(first, 2), words(first, 3));
        let (mut b0, mut b1, mut b2, mut b3) = (words(second, 0), words(second, 1), words(second, 2), words(second, 3));
        // Four rounds of each message, with four words of each and their constants.
        macro_rules! rounds {
            ($k:expr, $a:ident, $b:ident) => {
                let k = load($k);
                let (a, b) = (_mm_add_epi32($a, k), _mm_add_epi32($b, k));
                cdgh_a = _mm_sha256rnds2_epu32(cdgh_a, abef_a, a);
                cdgh_b = _mm_sha256rnds2_epu32(cdgh_b, abef_b, b);
                let (a, b) = (_mm_shuffle_epi32::<0b1110>(a), _mm_shuffle_epi32::<0b1110>(b));
                abef_a = _mm_sha256rnds2_epu32(abef_a, cdgh_a, a);
                abef_b = _mm_sha256rnds2_epu32(abef_b, cdgh_b, b);
            };
        }
        // The four words that follow $d, in place of $a.
        macro_rules! schedule {
            ($a:ident, $b:ident, $c:ident, $d:ident) => {
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32($a, $b), _mm_alignr_epi8::<4>($d, $c));
                $a = _mm_sha256msg2_epu32(sum, $d);
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
        abef_a = _mm_add_epi32(abef_a, before.0);
        cdgh_a = _mm_add_epi32(cdgh_a, before.1);
        abef_b = _mm_add_epi32(abef_b, before.2);
        cdgh_b = _mm_add_epi32(cdgh_b, before.3);
    }
    *a = join(abef_a, cdgh_a);
    *b = join(abef_b, cdgh_b);
}

/// Words 4 * `number` to 4 * `number` + 3 of a block, for `number` up to 3. The lowest word of the register is the first.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn words(block: &MessageBlock, number: usize) -> __m128i {
    let big_endian = _mm_set_epi64x(0x0C0D_0E0F_0809_0A0B, 0x0405_0607_0001_0203);
    let (quarters, _) = block.as_chunks::<16>();
    // SAFETY: the pointer is to the 16 bytes that the instruction reads; it needs no alignment.
    let bytes = unsafe { _mm_loadu_si128((&raw const quarters[number]).cast()) };
    _mm_shuffle_epi8(bytes, big_endian)
}

#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: the pointer is to the four words that the instruction reads; it needs no alignment.
    unsafe { _mm_loadu_si128((&raw const *words).cast()) }
}

/// The state as the instructions want it: A, B, E and F in one register, C, D, G and H in the other, the highest word first.
#[target_feature(enable = "sha,sse4.1")]
fn split(&[a, b, c, d, e, f, g, h]: &State) -> (__m128i, __m128i) {
    (load(&[f, e, b, a]), load(&[h, g, d, c]))
}

/// Undoes [`split`].
#[target_feature(enable = "sha,sse4.1")]
fn join(abef: __m128i, cdgh: __m128i) -> State {
    let [f, e, b, a] = store(abef);
    let [h, g, d, c] = store(cdgh);
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn store(register: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: the pointer is to the four words that the instruction writes; it needs no alignment.
    unsafe { _mm_storeu_si128((&raw mut words).cast(), register) };
    words
}
