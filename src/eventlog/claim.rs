//! What measureroot says about an event of its own, in every log it writes: a line of JSON.

use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::event::{Content, Event};
use super::event_type::EventType;
use super::header::push_counted;
use crate::error::{Context, Result};
use crate::hash::merkle::Hash;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;

/// The `taggedEventID` of our events in a TCG log: the first four bytes of sha256("measureroot"), so that nobody else
/// takes it by chance.
pub const TAG: u32 = 0x4203_0626;
/// The `content_type` of our records in a JSON log.
pub const CONTENT_TYPE: &str = "measureroot";

/// The words. They are a help for the reader and no proof: the PCR holds the digest, not them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What happened.
    pub event: EventKind,
    /// Where the image lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How long it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What stands for it in the PCR, where that is not its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<ImageFormat>,
    /// What keeps it to what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// The dm-verity root hash, where that was measured in place of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_hash: Option<String>,
    /// The measureroot that wrote this.
    pub version: String,
}

/// What an event of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The image was measured: the digest is that of its bytes, or of the form that the claim names.
    Image,
    /// A dm-verity root hash was measured: the digest is that of a text with it.
    Roothash,
    /// The boot went on with an image that nobody measured.
    Unmeasured,
    /// The boot failed.
    Failed,
}

impl Claim {
    /// That this happened, and no more.
    #[must_use]
    pub fn new(event: EventKind) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { event, image: None, bytes: None, format: None, seal: None, root_hash: None, version }
    }

    /// The image was measured.
    #[must_use]
    pub fn image(image: impl Into<String>, bytes: u64, seal: &str) -> Self {
        Self {
            image: Some(image.into()),
            bytes: Some(bytes),
            seal: Some(seal.to_owned()),
            ..Self::new(EventKind::Image)
        }
    }

    /// The boot goes on unmeasured.
    #[must_use]
    pub fn unmeasured() -> Self {
        Self::new(EventKind::Unmeasured)
    }

    /// The boot failed.
    #[must_use]
    pub fn failed() -> Self {
        Self::new(EventKind::Failed)
    }

    /// The text whose digest the event must have, where it is not an image's.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self.event {
            EventKind::Image => None,
            EventKind::Roothash => {
                let mut hash = Hash::default();
                let hex = self.root_hash.as_deref().unwrap_or_default();
                // No text has the digest of an event that names no root hash.
                Some(
                    hex::decode_to_slice(hex, &mut hash).map_or(String::new(), |()| measurement::root_hash_text(&hash)),
                )
            }
            EventKind::Unmeasured => Some(measurement::UNMEASURED.to_owned()),
            EventKind::Failed => Some(measurement::FAILED.to_owned()),
        }
    }

    /// As the data of an `EV_EVENT_TAG` event: `TCG_PCClientTaggedEvent` (TCG PC Client Platform Firmware Profile 1.05,
    /// section 10.4.2.1).
    ///
    /// # Errors
    /// None that is known: text and numbers are always JSON.
    pub fn tagged(&self) -> Result<Vec<u8>> {
        let mut data = TAG.to_le_bytes().to_vec();
        push_counted(&mut data, &serde_json::to_vec(self).about("event")?);
        Ok(data)
    }

    /// What an event of ours says; `None` for an event of anybody else, and for words that cannot be read.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match &event.content {
            Content::Tcg { kind: EventType::EVENT_TAG, data } => {
                let mut data = Bytes::new(data);
                let (tag, words) = (data.u32().ok()?, data.counted().ok()?);
                (tag == TAG && data.is_empty()).then(|| serde_json::from_slice(words).ok())?
            }
            Content::Json { content_type, content } if content_type == CONTENT_TYPE => Self::deserialize(content).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::Digests;

    fn event(data: Vec<u8>) -> Event {
        Event { pcr: None, digests: Digests::new(), content: Content::Tcg { kind: EventType::EVENT_TAG, data } }
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
    fn what_is_no_image_is_a_text() {
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
    fn other_events_are_not_ours() {
        let data = Claim::failed().tagged().unwrap();
        for length in 0..data.len() {
            assert_eq!(Claim::of(&event(data[..length].to_vec())), None, "{length}");
        }
        let mut other = data.clone();
        other[0] ^= 1;
        let more = [&data[..], b" "].concat();
        assert!(Claim::of(&event(other)).is_none() && Claim::of(&event(more)).is_none());
    }
}
