//! One event that a boot is expected to measure.

use serde::{Serialize, Serializer};

use super::authenticode::digests_of_parts;
use super::authority::Judged;
use crate::eventlog::EventType;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// The types of the events here (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1).
pub(super) const SEPARATOR: EventType = EventType(0x0000_0004);
pub(super) const EVENT_TAG: EventType = EventType(0x0000_0006);
pub(super) const IPL: EventType = EventType(0x0000_000D);
pub(super) const VARIABLE: EventType = EventType(0x8000_0001);
pub(super) const APPLICATION: EventType = EventType(0x8000_0003);
pub(super) const GPT: EventType = EventType(0x8000_0006);
pub(super) const ACTION: EventType = EventType(0x8000_0007);
pub(super) const AUTHORITY: EventType = EventType(0x8000_00E0);

/// An expected extend of a PCR.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// The type that the event has in the firmware's log.
    #[serde(rename = "type", serialize_with = "name")]
    pub kind: EventType,
    /// What is measured, in words.
    pub what: String,
    /// Where it comes from: a file, or a section of a file. `None` if the firmware or systemd have it in themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The digest in each bank.
    pub digests: Digests,
    /// What Secure Boot judges, if it is a program of a file.
    #[serde(skip)]
    pub(super) judged: Option<Judged>,
}

impl Expected {
    /// An event whose digest is that of `parts`, one behind the other.
    pub(super) fn of(kind: EventType, what: &str, from: Option<&str>, parts: &[&[u8]], banks: &[Bank]) -> Self {
        let digests = digests_of_parts(parts, banks);
        Self { kind, what: what.to_owned(), from: from.map(str::to_owned), digests, judged: None }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants this form.
fn name<S: Serializer>(kind: &EventType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
