//! A quote: what a TPM signs about its PCRs, `TPMS_ATTEST` (TPM 2.0 Library, Part 2, section 10.12.12).

use serde::Serialize;

use super::selection::Selection;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

/// `TPM_GENERATED_VALUE`: a restricted key never signs anything that begins with it but what the TPM itself made (TPM 2.0
/// Library, Part 2, section 6.2).
const GENERATED: u32 = 0xFF54_4347;
/// `TPM_ST_ATTEST_QUOTE` (section 6.9).
const QUOTE: u16 = 0x8018;
/// The longest name or nonce: a hash and its algorithm (`TPM2B_NAME`, `TPM2B_DATA`, both of `sizeof(TPMT_HA)`).
const LONGEST_HASH: usize = 66;

/// The TPM's time (`TPMS_CLOCK_INFO`, section 10.11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// Milliseconds that the TPM has had power; never goes back.
    pub milliseconds: u64,
    /// How often it was reset, which a boot does.
    pub resets: u32,
    /// How often it went on after a sleep, since the reset.
    pub restarts: u32,
    /// Whether no larger value of the clock may have been lost at a loss of power.
    pub safe: bool,
}

/// A quote that was read, and not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The qualified name of the key that signed: a digest of all the keys above it.
    pub signer: Vec<u8>,
    /// What the asker gave, so that the answer is not an old one.
    pub nonce: Vec<u8>,
    /// When.
    pub clock: Clock,
    /// The TPM's firmware, as its vendor counts.
    pub firmware: u64,
    /// Of which PCRs.
    pub selection: Selection,
    /// The hash of the quote and of its signature. No other has a digest of this length.
    pub hash: Bank,
    /// H of the PCRs' values.
    pub digest: Digest,
}

impl Quote {
    /// Reads what `tpm2_quote --message` writes.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("quote", bytes);
        let magic = cursor.u32_be()?;
        if magic != GENERATED {
            let cause = format!("begins with {magic:#010x}, where all that a TPM itself says has {GENERATED:#010x}");
            return Err(cursor.error(cause).hint("is it the file of tpm2_quote --message?"));
        }
        let kind = cursor.u16_be()?;
        if kind != QUOTE {
            return Err(cursor.error(format!("is of the type {kind:#06x}, where a quote has {QUOTE:#06x}")));
        }
        let signer = cursor.counted_u16_be(LONGEST_HASH)?.to_vec();
        let nonce = cursor.counted_u16_be(LONGEST_HASH)?.to_vec();
        let (milliseconds, resets, restarts) = (cursor.u64_be()?, cursor.u32_be()?, cursor.u32_be()?);
        let safe = match cursor.u8()? {
            0 => false,
            1 => true,
            other => return Err(cursor.error(format!("its clock is {other} safe, which is neither yes nor no"))),
        };
        let firmware = cursor.u64_be()?;
        let selection = Selection::take(&mut cursor)?;
        let digest = cursor.counted_u16_be(LONGEST_HASH)?;
        let Some(hash) = Bank::ALL.into_iter().find(|bank| bank.digest_len() == digest.len()) else {
            return Err(cursor.error(format!("a digest of {} bytes is of no known hash", digest.len())));
        };
        let digest = Digest::from_bytes(hash, digest)?;
        cursor.end()?;
        let clock = Clock { milliseconds, resets, restarts, safe };
        Ok(Self { signer, nonce, clock, firmware, selection, hash, digest })
    }
}
