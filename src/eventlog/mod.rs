//! Event logs: what a machine says it extended its PCRs with, and what follows from that.
//!
//! A log is a claim until [`Log::replay`] of it gives the PCRs that a TPM vouches for. Then its digests are proven, each
//! in its order; the words beside them (event data, types) are not, for nobody hashed those.
//!
//! Read are the TCG's crypto-agile log (TCG PC Client Platform Firmware Profile 1.05), systemd's
//! /run/log/systemd/tpm2-measure.log (JSON text sequences, RFC 7464) and CEL-JSON (TCG Canonical Event Log Format 1.0).
//! All of it is hostile: a parser refuses what it does not understand, and allocates no more than it was given.

pub mod bytes;
pub mod cel;
pub mod claim;
pub mod describe;
pub mod event;
pub mod event_type;
pub mod header;
pub mod journal;
pub mod log;
pub mod recorder;
pub mod replay;
pub mod sequence;
pub mod tcg;

pub use event::{Content, Event};
pub use event_type::EventType;
pub use log::Log;
pub use recorder::Recorder;
pub use replay::{Compared, Difference, Parted, PcrValues};

use crate::error::Result;

/// Reads a log in any of the three formats, which its first byte tells apart.
///
/// # Errors
/// When the log is malformed: then none of it is believed.
pub fn parse(bytes: &[u8]) -> Result<Log> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(&sequence::SEPARATOR) => sequence::parse(bytes),
        Some(b'[') => cel::parse(bytes),
        // A TCG log begins with the number of a PCR that is 0.
        _ => tcg::parse(bytes),
    }
}
