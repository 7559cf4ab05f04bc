//! One entry of a log.

use serde_json::Value;

use super::EventType;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// What a log says was extended, and the words it has for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The PCR; `None` where a log names none, as some events that extend nothing do.
    pub pcr: Option<Pcr>,
    /// The digests, in the banks known here.
    pub digests: Digests,
    /// What was measured, in the log's own words: a claim, for these words are not what was hashed.
    pub content: Content,
}

/// The words of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Of a TCG log.
    Tcg {
        /// The type.
        kind: EventType,
        /// The event data.
        data: Vec<u8>,
    },
    /// Of a JSON log.
    Json {
        /// Whose words these are: `systemd`, `measureroot`.
        content_type: String,
        /// The words.
        content: Value,
    },
}

/// The signature of the event that says from which locality the TPM was started (TCG PC Client Platform Firmware Profile
/// 1.05, section 10.4.5.3, `TCG_EfiStartupLocalityEvent`).
const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

impl Event {
    /// The PCR that the event extends, or `None` when it extends none.
    #[must_use]
    pub fn extends(&self) -> Option<Pcr> {
        match self.content {
            Content::Tcg { kind: EventType::NO_ACTION, .. } => None,
            _ => self.pcr,
        }
    }

    /// The locality that the TPM was started from, if this event says so: PCR 0 begins with it.
    #[must_use]
    pub fn startup_locality(&self) -> Option<u8> {
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
