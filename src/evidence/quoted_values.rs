//! The values of the PCRs that are quoted, which `tpm2_quote --pcr` writes beside the quote. The quote itself has only their
//! digest: with the values it can be said which PCR a log does not lead to.

use super::quote::Quote;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::hash::digest::Digest;

/// Bytes of a `TPML_PCR_SELECTION` in memory: a count, and 16 of `TPMS_PCR_SELECTION` (tpm2-tss, tss2_tpm2_types.h). The
/// serialized form begins with it (tpm2-tools, lib/pcr.c).
const SELECTION: usize = 4 + 16 * 8;
/// Digests in a `TPML_DIGEST` in memory, and the bytes of each: a length and room for the longest.
const DIGESTS: usize = 8;
const ROOM: usize = 64;

/// Reads the values, in either form of the file.
///
/// # Errors
/// When they are not those that are quoted.
pub fn quoted(bytes: &[u8], quote: &Quote) -> Result<PcrValues> {
    let lengths: Vec<_> = quote.selection.iter().map(|(bank, _)| bank.digest_len()).collect();
    for digests in [bare(bytes, &lengths), serialized(bytes)].into_iter().flatten() {
        let mut hasher = quote.hash.hasher();
        for digest in &digests {
            hasher.update(digest);
        }
        if digests.len() == lengths.len() && hasher.finish() == quote.digest {
            let mut values = PcrValues::new();
            for ((bank, pcr), digest) in quote.selection.iter().zip(digests) {
                values.entry(bank).or_default().insert(pcr, Digest::from_bytes(bank, digest)?);
            }
            return Ok(values);
        }
    }
    Err(Error::new("PCR values", "are not those that are quoted").hint("is it the file of tpm2_quote --pcr?"))
}

/// One digest behind the other (`tpm2_quote --pcrs_format values`).
fn bare<'a>(bytes: &'a [u8], lengths: &[usize]) -> Option<Vec<&'a [u8]>> {
    let mut rest = bytes;
    let mut digest = |&length: &usize| {
        let (digest, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(digest)
    };
    let digests = lengths.iter().map(&mut digest).collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(digests)
}

/// As they lie in the memory of a little-endian machine: the selection, a count, and lists with room for eight each.
fn serialized(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = bytes.get(SELECTION..)?.split_first_chunk()?;
    let mut digests = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (held, list) = rest.split_first_chunk()?;
        let (list, behind) = list.split_at_checked(DIGESTS * (2 + ROOM))?;
        let held = usize::try_from(u32::from_le_bytes(*held)).ok().filter(|held| *held <= DIGESTS)?;
        for place in list.chunks(2 + ROOM).take(held) {
            let (length, digest) = place.split_first_chunk()?;
            digests.push(digest.get(..usize::from(u16::from_le_bytes(*length)))?);
        }
        rest = behind;
    }
    rest.is_empty().then_some(digests)
}
