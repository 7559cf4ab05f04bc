//! Event logs: which events a machine claims to have extended its PCRs with, and what follows from the claim.
//!
//! A log proves nothing by itself. If [`Log::replay`] of it gives the PCR values that a TPM signs, its digests and their
//! order are proven. The event types and the event data are not: no PCR holds a hash of them.
//!
//! Three formats are read: the TCG's crypto-agile log (TCG PC Client Platform Firmware Profile 1.05), systemd's
//! /run/log/systemd/tpm2-measure.log (JSON text sequences, RFC 7464) and CEL-JSON (TCG Canonical Event Log Format 1.0).
//! All of them are hostile input: a parser refuses what it does not know, and allocates no more than a small multiple of
//! the bytes that it was given.

pub mod cel;
pub(crate) mod claim;
pub(crate) mod compare;
mod describe;
#[cfg(feature = "evidence")]
mod describe_difference;
pub(crate) mod event;
mod event_type;
pub(crate) mod header;
pub(crate) mod journal;
mod log;
mod recorder;
mod replay;
pub mod sequence;
pub mod tcg;

pub use event::Event;
pub use event_type::EventType;
pub use log::Log;
pub(crate) use recorder::Recorder;
pub use replay::PcrValues;

use crate::error::Result;

/// Reads a log in any of the three formats. The first byte that is not whitespace determines the format.
///
/// # Errors
/// If any part of the log is malformed.
pub fn parse(bytes: &[u8]) -> Result<Log> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(&sequence::SEPARATOR) => sequence::parse(bytes),
        Some(b'[') => cel::parse(bytes),
        // A TCG log begins with a PCR number, which is 0.
        _ => tcg::parse(bytes),
    }
}
