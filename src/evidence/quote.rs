//! A quote, with which a TPM signs the values of its PCRs: `TPMS_ATTEST` (TPM 2.0 Library, Part 2, section 10.12.12). That of a TPM 1.2
//! is in `tpm12_quote.rs`.

use serde::Serialize;

use super::selection::Selection;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

/// `TPM_GENERATED_VALUE`. A restricted key signs a message that begins with it only if the TPM itself made the message (TPM
/// 2.0 Library, Part 2, section 6.2).
const GENERATED: u32 = 0xFF54_4347;
/// `TPM_ST_ATTEST_QUOTE` (section 6.9).
const QUOTE: u16 = 0x8018;
/// The longest name or nonce, in bytes: a digest and its algorithm (`TPM2B_NAME` and `TPM2B_DATA`, `sizeof(TPMT_HA)`).
const LONGEST_HASH: usize = 66;

/// The TPM's time (`TPMS_CLOCK_INFO`, section 10.11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Clock {
    /// The time for which the TPM has had power, in milliseconds. It never decreases.
    pub(crate) milliseconds: u64,
    /// How often the TPM was reset. A boot resets it.
    pub(crate) resets: u32,
    /// How often the TPM resumed after a sleep since the last reset.
    pub(crate) restarts: u32,
    /// Whether the TPM guarantees that it never reported a larger time. After a loss of power it may be unable to.
    pub(crate) safe: bool,
}

/// What a TPM 2.0 attests with each quote, beside the PCRs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// The qualified name of the key that signed: a digest of its name and the names of all its parents.
    pub signer: Vec<u8>,
    /// The TPM's time when it signed.
    pub(crate) clock: Clock,
    /// The vendor's version number of the TPM's firmware.
    pub(crate) firmware: u64,
}

/// A quote that was parsed. Its signature is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The nonce of the verifier, which proves that the quote is not an old one.
    pub nonce: Vec<u8>,
    /// What else a TPM 2.0 attests. `None` for a TPM 1.2.
    pub attested: Option<Attested>,
    /// The PCRs that are quoted.
    pub selection: Selection,
    /// The hash algorithm of `digest` and of the signature. The length of `digest` determines it.
    pub(super) hash: Bank,
    /// The hash of the PCRs' values, one after the other.
    pub(super) digest: Digest,
}

impl Quote {
    /// The bytes that the TPM signed, without the length that some programs put in front (`TPM2B_ATTEST`, section 10.12.13).
    pub(super) fn message(bytes: &[u8]) -> &[u8] {
        match bytes {
            [first, second, message @ ..] if usize::from(u16::from_be_bytes([*first, *second])) == message.len() => {
                message
            }
            whole => whole,
        }
    }

    /// Parses the file that `tpm2_quote --message` writes, or the same with its length in front.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new("quote", Self::message(bytes));
        let magic = cursor.u32_be()?;
        if magic != GENERATED {
            let cause = format!("begins with {magic:#010x}, but what a TPM attests begins with {GENERATED:#010x}");
            let hint = "is it the file of tpm2_quote --message? The file of a TPM 1.2's tpm_getquote is the signature: leave --quote out";
            return Err(cursor.error(cause).hint(hint));
        }
        let kind = cursor.u16_be()?;
        if kind != QUOTE {
            return Err(cursor.error(format_args!("is of the type {kind:#06x}, but a quote has {QUOTE:#06x}")));
        }
        let signer = cursor.counted_u16_be(LONGEST_HASH)?.to_vec();
        let nonce = cursor.counted_u16_be(LONGEST_HASH)?.to_vec();
        let (milliseconds, resets, restarts) = (cursor.u64_be()?, cursor.u32_be()?, cursor.u32_be()?);
        let safe = match cursor.u8()? {
            0 => false,
            1 => true,
            other => return Err(cursor.error(format_args!("its clock's field \"safe\" is {other}, not 0 or 1"))),
        };
        let firmware = cursor.u64_be()?;
        let selection = Selection::read(&mut cursor)?;
        let digest = cursor.counted_u16_be(LONGEST_HASH)?;
        let Some(hash) = Bank::ALL.into_iter().find(|bank| bank.digest_len() == digest.len()) else {
            return Err(cursor.error(format_args!("a digest of {} bytes is of no known hash", digest.len())));
        };
        let digest = Digest::from_bytes(hash, digest)?;
        cursor.end()?;
        let clock = Clock { milliseconds, resets, restarts, safe };
        let attested = Some(Attested { signer, clock, firmware });
        Ok(Self { nonce, attested, selection, hash, digest })
    }
}
