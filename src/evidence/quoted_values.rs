//! The values of the quoted PCRs, which `tpm2_quote --pcr` or `tpm_getquote -p` writes beside the quote. The quote itself has only their digest.
//! With the values, an error can name the PCR that a log does not lead to.

use super::quote::Quote;
use super::tpm12_values;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::hash::digest::Digest;

/// The size of a `TPML_PCR_SELECTION` in memory, in bytes: a count and 16 `TPMS_PCR_SELECTION` (tpm2-tss,
/// tss2_tpm2_types.h). The serialized form begins with it (tpm2-tools, lib/pcr.c).
const SELECTION: usize = 4 + 16 * 8;
/// The most digests in a `TPML_DIGEST`.
const DIGESTS: usize = 8;
/// The size of each in memory, in bytes: its length, and room for the longest digest.
const DIGEST: usize = 2 + 64;

/// Parses the values, in any format of the file.
///
/// # Errors
/// If they are not the quoted values.
pub fn parse(bytes: &[u8], quote: &Quote) -> Result<PcrValues> {
    let lengths: Vec<_> = quote.selection.iter().map(|(bank, _)| bank.digest_len()).collect();
    let lines = std::str::from_utf8(bytes).ok().and_then(|text| tpm12_values::parse(text).ok()).unwrap_or_default();
    let lines = lines.values().next().map(|values| values.values().map(Digest::as_bytes).collect());
    for digests in bare(bytes, &lengths).into_iter().chain(serialized(bytes).ok()).chain(lines) {
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
    Err(Error::new("PCR values", "are not the quoted values")
        .hint("is it the file of tpm2_quote --pcr, or of tpm_getquote -p?"))
}

/// The digests one after the other (`tpm2_quote --pcrs_format values`).
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

/// The memory of a little-endian machine (`tpm2_quote --pcrs_format serialized`): the selection, the number of lists, and the
/// lists. Each list has the number of its digests, and room for eight.
fn serialized(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    const OBJECT: &str = "PCR values";
    let mut cursor = Cursor::new(OBJECT, bytes);
    cursor.take(SELECTION)?;
    serialized_digests(cursor)
}

/// The digests behind the selection in that form: the number of lists, then the lists, up to the end of the file.
///
/// # Errors
/// If the bytes have another form.
pub(crate) fn serialized_digests(mut cursor: Cursor<'_>) -> Result<Vec<&[u8]>> {
    const OBJECT: &str = "PCR values";
    let mut digests = Vec::new();
    for _ in 0..cursor.u32_le()? {
        let count = cursor.u32_le()?;
        let mut list = Cursor::new(OBJECT, cursor.take(DIGESTS * DIGEST)?);
        for _ in 0..count {
            let mut digest = Cursor::new(OBJECT, list.take(DIGEST)?);
            let length = digest.u16_le()?;
            digests.push(digest.take(length.into())?);
        }
    }
    cursor.end()?;
    Ok(digests)
}
