//! Event logs: which events a machine claims to have extended its PCRs with, and what follows from the claim.
//!
//! A log proves nothing by itself. If [`Log::replay`] of it gives the PCR values that a TPM signs, its digests and their
//! order are proven. The event types and the event data are not: no PCR holds a hash of them.
//!
//! Six formats are read: the TCG's crypto-agile log and its older form with SHA-1 alone (TCG PC Client Platform Firmware
//! Profile 1.05), the container of Intel TXT with events of the older form, systemd's /run/log/systemd/tpm2-measure.log (JSON text sequences, RFC 7464), CEL-JSON and CEL-TLV (TCG
//! Canonical Event Log Format 1.0).
//! All of them are hostile input: a parser refuses what it does not know, and allocates no more than a small multiple of
//! the bytes that it was given.

pub mod ccel;
pub mod cel;
pub mod cel_tlv;
pub(crate) mod claim;
pub(crate) mod compare;
mod data_words;
pub(crate) mod describe;
#[cfg(feature = "evidence")]
mod describe_difference;
mod device_path;
pub(crate) mod efi_variable;
pub(crate) mod encoded_text;
pub(crate) mod event;
mod event_type;
#[cfg(feature = "chain")]
mod firmware_file;
mod format;
mod go_tpm_tools;
mod hash_name;
pub(crate) mod header;
mod ima_log;
pub(crate) mod journal;
#[cfg(test)]
mod journal_tests;
mod json_bounds;
mod log;
pub(crate) mod log_form;
#[cfg(feature = "evidence")]
mod mark;
mod notes;
mod padding;
mod recorder;
mod replay;
pub mod sequence;
mod starts;
#[cfg(feature = "evidence")]
mod systemd_event;
pub mod tcg;
pub mod tcg_sha1;
mod text;
pub mod txt_container;
mod unique_json;

#[cfg(feature = "chain")]
pub(crate) use data_words::words as words_of;
pub use event::Event;
pub use event_type::EventType;
pub use format::parse;
pub use log::Log;
pub(crate) use recorder::Recorder;
pub use replay::PcrValues;
#[cfg(feature = "evidence")]
pub(crate) use systemd_event::SystemdEvent;
