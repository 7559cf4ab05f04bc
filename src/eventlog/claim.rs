//! The claim that measureroot writes into every log about each of its events: a JSON object.

use serde::{Deserialize, Serialize};

use super::event::{Content, Event};
use super::event_type::EventType;
use super::header::push_counted;
use crate::cursor::Cursor;
use crate::error::{Context, Result};
use crate::hash::tree_shape::TreeHash;
use crate::measure::image_digest;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;

/// The `taggedEventID` of our events in a TCG log: the first four bytes of sha256("measureroot"), so that no other program
/// uses the same number by chance.
pub(crate) const TAG: u32 = 0x4203_0626;
/// The `content_type` of our records in a JSON log.
pub(crate) const CONTENT_TYPE: &str = "measureroot";

/// What we claim about an event. It helps the reader and proves nothing: no PCR holds a hash of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What happened.
    pub event: EventKind,
    /// Where the image is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The length of the image, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How the PCR represents the image, if not by the digest of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFormat>,
    /// The seal, which lets only the measured bytes run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// The dm-verity root hash, if it was measured in place of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_hash: Option<String>,
    /// The version of the measureroot that wrote this.
    pub version: String,
}

/// What happened, in an event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The image was measured. The digest is that of its bytes, or of the format that the claim names.
    Image,
    /// A dm-verity root hash was measured. The digest is that of a text that contains it.
    Roothash,
    /// The boot continued with an image that was not measured.
    Unmeasured,
    /// The boot failed.
    Failed,
}

impl Claim {
    /// A claim with the version as its only detail.
    pub(crate) fn new(event: EventKind) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { event, image: None, bytes: None, format: None, seal: None, root_hash: None, version }
    }

    /// The claim that the image, of this length in bytes, was measured.
    #[must_use]
    pub fn image(image: impl Into<String>, bytes: u64, seal: &str) -> Self {
        Self {
            image: Some(image.into()),
            bytes: Some(bytes),
            seal: Some(seal.to_owned()),
            ..Self::new(EventKind::Image)
        }
    }

    /// The claim that the boot continues with an image that was not measured.
    #[must_use]
    pub fn unmeasured() -> Self {
        Self::new(EventKind::Unmeasured)
    }

    /// The claim that the boot failed.
    #[must_use]
    pub fn failed() -> Self {
        Self::new(EventKind::Failed)
    }

    /// The text whose digest the event must have. `None` if the event must have an image's digest.
    pub(crate) fn text(&self) -> Option<String> {
        match self.event {
            EventKind::Image => None,
            EventKind::Roothash => {
                let mut hash = TreeHash::default();
                let hex = self.root_hash.as_deref().unwrap_or_default();
                // Without a root hash no text can be right. The empty text is not what was extended.
                Some(
                    hex::decode_to_slice(hex, &mut hash)
                        .map_or(String::new(), |()| image_digest::root_hash_text(&hash)),
                )
            }
            EventKind::Unmeasured => Some(measurement::UNMEASURED.to_owned()),
            EventKind::Failed => Some(measurement::FAILED.to_owned()),
        }
    }

    /// Encodes the claim as the data of an `EV_EVENT_TAG` event: `TCG_PCClientTaggedEvent` (TCG PC Client Platform Firmware
    /// Profile 1.05, section 10.4.2.1).
    ///
    /// # Errors
    /// None is known: text and numbers always encode as JSON.
    pub fn tagged(&self) -> Result<Vec<u8>> {
        let mut data = TAG.to_le_bytes().to_vec();
        push_counted(&mut data, &serde_json::to_vec(self).about("event")?);
        Ok(data)
    }

    /// The claim of an event of ours. `None` if another program wrote the event, or if the claim cannot be read.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match &event.content {
            Content::Tcg { kind: EventType::EVENT_TAG, data } => {
                let mut data = Cursor::new("tagged event", data);
                let (tag, claim) = (data.u32_le().ok()?, data.counted_u32_le().ok()?);
                (tag == TAG && data.is_empty()).then(|| serde_json::from_slice(claim).ok())?
            }
            Content::Json { content_type, content } if content_type == CONTENT_TYPE => Self::deserialize(content).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::hash::digest::Digests;

    fn event(data: Vec<u8>) -> Event {
        Event {
            pcr: None,
            no_pcr: None,
            digests: Digests::new(),
            others: BTreeMap::new(),
            content: Content::Tcg { kind: EventType::EVENT_TAG, data },
        }
    }

    #[test]
    fn a_claim_reads_back_from_a_tagged_event() {
        let claim = Claim::image("/dev/vda", 4096, "verity");
        let data = claim.tagged().unwrap();
        let json = br#"{"event":"image","image":"/dev/vda","bytes":4096,"seal":"verity","version":""#;
        assert!(data[8..].starts_with(json), "{}", String::from_utf8_lossy(&data));
        assert_eq!(Claim::of(&event(data)), Some(claim));
        assert_eq!(Claim::of(&event(Claim::failed().tagged().unwrap())), Some(Claim::failed()));
    }

    #[test]
    fn every_event_but_an_images_has_the_digest_of_a_text() {
        let hex = "ab".repeat(32);
        let root_hash = Claim { root_hash: Some(hex.clone()), ..Claim::new(EventKind::Roothash) };
        assert_eq!(root_hash.text(), Some(format!("measureroot: roothash={hex}")));
        assert_eq!(Claim { root_hash: Some("ab".to_owned()), ..root_hash }.text(), Some(String::new()));
        assert_eq!(Claim::failed().text().as_deref(), Some(measurement::FAILED));
        assert_eq!(Claim::image("", 0, "ram").text(), None);
    }

    #[test]
    fn the_tag_is_the_hash_of_our_name() {
        assert_eq!(crate::hash::bank::Bank::Sha256.digest(b"measureroot").as_bytes()[..4], TAG.to_be_bytes());
    }

    #[test]
    fn a_changed_claim_is_not_taken_for_ours() {
        let data = Claim::failed().tagged().unwrap();
        for length in 0..data.len() {
            assert_eq!(Claim::of(&event(data[..length].to_vec())), None, "{length}");
        }
        let mut other = data.clone();
        other[0] ^= 1;
        let more = [&data[..], b" "].concat();
        assert!(Claim::of(&event(other)).is_none() && Claim::of(&event(more)).is_none());
        let record = |content_type: &str| {
            let content = serde_json::to_value(Claim::failed()).unwrap();
            Event { content: Content::Json { content_type: content_type.to_owned(), content }, ..event(Vec::new()) }
        };
        assert_eq!((Claim::of(&record(CONTENT_TYPE)), Claim::of(&record("systemd"))), (Some(Claim::failed()), None));
    }
}
