//! One event of a log.

use serde_json::Value;

use super::event_type::EventType;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// An extend that a log claims, and its description in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The PCR. `None` if the log names none, which only an event that extends nothing may do.
    pub(crate) pcr: Option<Pcr>,
    /// The digests, in the banks that are known here.
    pub(crate) digests: Digests,
    /// The log's description of what was measured. This is a claim: these bytes are not the bytes that were hashed.
    pub(crate) content: Content,
}

/// A log's description of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// In a TCG log.
    Tcg {
        /// The event type.
        kind: EventType,
        /// The event data.
        data: Vec<u8>,
    },
    /// In a JSON log.
    Json {
        /// The program that wrote the content: `systemd`, `measureroot`.
        content_type: String,
        /// The content.
        content: Value,
    },
}

/// The signature of the event that names the locality from which the TPM was started (TCG PC Client Platform Firmware
/// Profile 1.05, section 10.4.5.3, `TCG_EfiStartupLocalityEvent`).
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

impl Event {
    /// The PCR that the event extends, or `None` if it extends none.
    pub(crate) fn extends(&self) -> Option<Pcr> {
        match self.content {
            Content::Tcg { kind: EventType::NO_ACTION, .. } => None,
            _ => self.pcr,
        }
    }

    /// The locality from which the TPM was started, if this event names it. PCR 0 starts with it.
    pub(crate) fn startup_locality(&self) -> Option<u8> {
        match &self.content {
            Content::Tcg { kind: EventType::NO_ACTION, data } if self.pcr.is_some_and(|pcr| pcr.get() == 0) => {
                match data.split_last() {
                    Some((&locality, signature)) if signature == STARTUP_LOCALITY => Some(locality),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
