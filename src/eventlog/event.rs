//! One event of a log.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event_type::EventType;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// An extend that a log claims, and its description in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The PCR. `None` if the log names none that a TPM has: such an event extends nothing.
    pub(crate) pcr: Option<Pcr>,
    /// The number that the log gives for the PCR, if no TPM has that PCR although the event claims to extend it. Firmware with
    /// a fault writes such events. systemd-pcrlock skips them, too.
    pub(crate) no_pcr: Option<u64>,
    /// The digests as the log has them, in the banks that are known here. [`Event::digest`] says which of them count.
    pub(crate) digests: Digests,
    /// The digests of hashes that are not known here, by the hash's name. No PCR value can be computed with them.
    pub(crate) others: BTreeMap<String, Vec<u8>>,
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

/// The `content_type` of records by which a CEL-JSON log manages itself (TCG Canonical Event Log Format 1.0, section 5.1.4).
const MANAGEMENT: &str = "cel";

impl Event {
    /// An event of the PCR that a log gives by its number. An event that extends nothing need not name a PCR.
    pub(super) fn of_pcr(number: u64, digests: Digests, others: BTreeMap<String, Vec<u8>>, content: Content) -> Self {
        let pcr = u32::try_from(number).ok().and_then(|number| Pcr::try_from(number).ok());
        let is_silent = matches!(content, Content::Tcg { kind, .. } if kind.is_silent());
        let no_pcr = (pcr.is_none() && !is_silent).then_some(number);
        Self { pcr, no_pcr, digests, others, content }
    }

    /// The number of the PCR as the log gives it.
    #[cfg(feature = "cli")]
    pub(crate) fn named_pcr(&self) -> Option<u64> {
        self.pcr.map(|pcr| pcr.get().into()).or(self.no_pcr)
    }

    /// The PCR that the event extends, or `None` if it extends none.
    #[must_use]
    pub fn extends(&self) -> Option<Pcr> {
        let is_empty = self.digests.is_empty() && self.others.is_empty();
        match &self.content {
            Content::Tcg { kind, .. } if kind.is_silent() => None,
            Content::Json { content_type, .. } if content_type == MANAGEMENT && is_empty => None,
            _ => self.pcr,
        }
    }

    /// The digest that a bank was extended with. `None` if the log has none, or if it has zeros for this bank only. Zeros are
    /// no digest of anything: a TCG log has a digest for every hash of its header, and zeros stand for a bank that the TPM has
    /// not active. Only if all digests are zeros, it may be an extend with zeros.
    #[must_use]
    pub fn digest(&self, bank: Bank) -> Option<&Digest> {
        let digest = self.digests.get(&bank)?;
        let mut all = self.digests.values().map(Digest::as_bytes).chain(self.others.values().map(Vec::as_slice));
        (!is_zero(digest.as_bytes()) || all.all(is_zero)).then_some(digest)
    }

    /// The banks that the event has a digest for.
    pub(crate) fn banks(&self) -> Vec<Bank> {
        self.digests.keys().copied().filter(|&bank| self.digest(bank).is_some()).collect()
    }

    /// Whether the event has a digest in one of `banks`, and all its digests in them are digests of `bytes`.
    pub(crate) fn is_digest_of(&self, bytes: &[u8], banks: &[Bank]) -> bool {
        let mut digests = banks.iter().filter_map(|&bank| Some((bank, self.digest(bank)?))).peekable();
        digests.peek().is_some() && digests.all(|(bank, digest)| *digest == bank.digest(bytes))
    }

    /// Whether this is the event of a hardware root of trust that measured the firmware before the TPM was started
    /// (`EV_EFI_HCRTM_EVENT`; TCG PC Client Platform Firmware Profile 1.05, section 10.4.1).
    pub(super) fn is_hcrtm(&self) -> bool {
        matches!(self.content, Content::Tcg { kind: EventType::HCRTM, .. })
    }

    /// The locality from which the TPM was started, if this event names it. PCR 0 starts with it.
    pub(crate) fn startup_locality(&self) -> Option<u8> {
        match &self.content {
            Content::Tcg { kind: EventType::NO_ACTION, data } if self.pcr.is_some_and(|pcr| pcr.get() == 0) => {
                // coreboot's entries have a fixed length, so bytes may follow.
                match data.split_at_checked(STARTUP_LOCALITY.len()) {
                    Some((signature, [locality, ..])) if signature == STARTUP_LOCALITY => Some(*locality),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
