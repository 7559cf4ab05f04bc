//! Describes an event for a person. The text comes from a log that an attacker may have written. So it is cut to a length,
//! and its hidden characters are escaped: it cannot leave its own line on the reader's terminal.
//!
//! No PCR holds a hash of an event's type and data. But what many events extend a PCR with is the digest of their own data.
//! Then the data is as true as the digest: nobody finds other data with the same one.

use serde_json::Value;

use super::cel_tlv;
use super::claim::{Claim, EventKind};
use super::data_words;
use super::event::{Content, Event};
use super::event_type::EventType;
use super::text::{self, shown};
use crate::count::counted;
use crate::hash::bank::Bank;
use crate::measure::measurement::{FAILED, UNMEASURED};

/// What an `EV_SEPARATOR` extends a PCR with: the end of the firmware's measurements, or an error of the firmware (TCG PC Client
/// Platform Firmware Profile 1.05, section 10.4.1). Firmware of both byte orders exists.
const SEPARATORS: [[u8; 4]; 4] = [[0; 4], [0xFF; 4], [1, 0, 0, 0], [0, 0, 0, 1]];
/// What GRUB puts in front of the text that it measures, in the event's data (grub-core/commands/tpm.c). GRUB with Red Hat's older
/// changes has no colon.
const GRUB: [&[u8]; 5] =
    [b"grub_cmd: ", b"kernel_cmdline: ", b"module_cmdline: ", b"grub_cmd ", b"grub_kernel_cmdline "];

/// The most values of a content in CEL-TLV that are shown.
const MOST_VALUES: usize = 8;

/// How far the words about an event can be trusted, if its digest is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The digest is that of the data, so the words are true. This does not include the event's type.
    Proven,
    /// The digest is that of something else. The words are what the writer of the log says about it.
    Claimed,
    /// The event extends no PCR. Nothing protects its words.
    #[cfg(feature = "cli")]
    Unmeasured,
}

#[cfg(feature = "cli")]
impl Standing {
    /// The name in the output of `replay`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Claimed => "claimed",
            Self::Unmeasured => "not measured",
        }
    }
}

impl Event {
    /// The description of an event: its type, and its data in words.
    #[must_use]
    pub fn describe(&self) -> String {
        self.describe_in(&self.banks())
    }

    /// The same, judged by the digests in `banks`: those that a TPM has, or that were quoted.
    pub(crate) fn describe_in(&self, banks: &[Bank]) -> String {
        let kind = self.kind();
        let (words, _) = self.words(banks);
        if words.is_empty() { kind } else { format!("{kind}: {words}") }
    }

    /// The data in words, judged by the digests in `banks`.
    #[cfg(feature = "chain")]
    pub(crate) fn words_in(&self, banks: &[Bank]) -> String {
        self.words(banks).0
    }

    /// The type of the event.
    pub(crate) fn kind(&self) -> String {
        match &self.content {
            Content::Tcg { kind, .. } => kind.to_string(),
            // Some records in systemd's log lack the field.
            Content::Json { content_type, .. } if content_type.is_empty() => "record".to_owned(),
            Content::Json { content_type, .. } => shown(content_type),
        }
    }

    /// How far the description can be trusted, judged by the digests in `banks`.
    #[cfg(feature = "cli")]
    pub(crate) fn standing(&self, banks: &[Bank]) -> Standing {
        if self.extends().is_none() {
            return Standing::Unmeasured;
        }
        self.words(banks).1
    }

    /// The words, and whether the digests in `banks` prove them.
    fn words(&self, banks: &[Bank]) -> (String, Standing) {
        let is = |bytes: &[u8]| self.is_digest_of(bytes, banks);
        // The digest identifies these two events, whatever the log claims about them.
        if let Some(known) = [FAILED, UNMEASURED].into_iter().find(|text| is(text.as_bytes())) {
            return (format!("the text \"{known}\""), Standing::Proven);
        }
        if let Some(claim) = Claim::of(self) {
            return self.words_of_claim(&claim, banks);
        }
        let (words, proven) = match &self.content {
            Content::Tcg { kind: EventType::SEPARATOR, data } => {
                let measured = SEPARATORS.iter().find(|value| is(*value));
                let words = measured.map(|value| data_words::words(EventType::SEPARATOR, value));
                let claimed = data_words::words(EventType::SEPARATOR, data);
                match words {
                    Some(words) if words == claimed => (words, true),
                    Some(words) => (format!("{words}; the log claims: {claimed}"), true),
                    None => (claimed, is(data)),
                }
            }
            Content::Tcg { kind, data } => {
                let narrow = narrow(data).is_some_and(|text| measured(&text).any(is));
                (data_words::words(*kind, data), narrow || measured(data).any(is))
            }
            Content::Json { content, .. } => match (content.get("string").and_then(Value::as_str), tlv(content)) {
                // systemd measures this text.
                (Some(string), _) => (shown(string), is(string.as_bytes())),
                (None, Some(tlv)) => (tlv_words(&tlv), is(&tlv)),
                (None, None) => (json_words(content), false),
            },
        };
        (words, if proven { Standing::Proven } else { Standing::Claimed })
    }

    /// The words about an event of ours. Those about an image are claimed: the digest is that of the image.
    fn words_of_claim(&self, claim: &Claim, banks: &[Bank]) -> (String, Standing) {
        let words = shown(&claim.describe());
        let Some(text) = claim.text() else { return (words, Standing::Claimed) };
        if self.is_digest_of(text.as_bytes(), banks) {
            return (words, Standing::Proven);
        }
        // Without a digest in these banks, nothing can be said against the claim.
        let judged = banks.iter().any(|&bank| self.digest(bank).is_some());
        let mismatch = if judged { "; BUT ITS DIGEST DOES NOT MATCH" } else { "" };
        (words + mismatch, Standing::Claimed)
    }
}

/// What of an event's data may be measured: all of it, with or without the zero at its end, or the text behind GRUB's prefix.
fn measured(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = GRUB.iter().find_map(|prefix| data.strip_prefix(*prefix));
    [Some(data), text].into_iter().flatten().flat_map(|bytes| [Some(bytes), bytes.strip_suffix(&[0])]).flatten()
}

/// The ASCII text that the data has in UTF-16. systemd-stub measures the name of a section as ASCII, with a zero at its end, and
/// logs it as UTF-16 (systemd, src/boot/stub.c).
fn narrow(data: &[u8]) -> Option<Vec<u8>> {
    let ascii = |pair: &[u8]| if let &[ascii @ ..0x80, 0] = pair { Some(ascii) } else { None };
    data.chunks(2).map(ascii).collect()
}

/// The bytes of a content that a log in CEL-TLV has.
fn tlv(content: &Value) -> Option<Vec<u8>> {
    content.get("tlv").and_then(Value::as_str).and_then(|hex| hex::decode(hex).ok())
}

/// The values in a content of CEL-TLV.
fn tlv_words(bytes: &[u8]) -> String {
    let values = cel_tlv::values(bytes);
    let more = if values.len() > MOST_VALUES { ", ..." } else { "" };
    let words: Vec<_> = values.into_iter().take(MOST_VALUES).map(text::words).collect();
    words.join(", ") + more
}

/// The content of a JSON log's record: an event of a type that is not known here, or anything else.
fn json_words(content: &Value) -> String {
    let field = |name| content.get(name).and_then(Value::as_str);
    match (field("event_type"), field("event_data").map(hex::decode), content) {
        (Some(kind), Some(Ok(data)), _) => shown(&format!("{kind}: {}", text::words(&data))),
        (.., Value::Null) => String::new(),
        _ => shown(&content.to_string()),
    }
}

impl Claim {
    fn describe(&self) -> String {
        let what = match self.event {
            EventKind::Image => "image",
            EventKind::Roothash => "root hash",
            EventKind::Unmeasured => "UNMEASURED",
            EventKind::Failed => "FAILED",
        };
        let parts = [
            self.root_hash.clone(),
            self.image.clone(),
            self.bytes.map(|bytes| counted(bytes, "byte")),
            self.format.map(|format| format!("format {format}")),
            self.seal.as_ref().map(|seal| format!("seal {seal}")),
            Some(format!("written by measureroot {}", self.version)),
        ];
        parts.into_iter().flatten().fold(what.to_owned(), |text, part| format!("{text}, {part}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::measure::image_format::ImageFormat;
    use crate::measure::pcr::Pcr;
    use serde_json::json;

    fn event(kind: EventType, data: &[u8], measured: &[u8]) -> Event {
        let content = Content::Tcg { kind, data: data.to_vec() };
        let digests = digests_of(&Bank::ALL, measured);
        Event { pcr: Pcr::try_from(13).ok(), no_pcr: None, digests, others: BTreeMap::new(), content }
    }

    fn describe(kind: EventType, data: &[u8], measured: &[u8]) -> String {
        event(kind, data, measured).describe()
    }

    #[test]
    fn our_events_are_described() {
        let ours = |claim: &Claim, measured: &[u8]| describe(EventType::EVENT_TAG, &claim.tagged().unwrap(), measured);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            ours(&Claim::image("/a on /dev/vda", 42, "verity"), b""),
            format!("EV_EVENT_TAG: image, /a on /dev/vda, 42 bytes, seal verity, written by measureroot {version}")
        );
        let other = Claim { format: Some(ImageFormat::MetaMeasured), ..Claim::image("/dev/vda", 1, "ram") };
        assert_eq!(
            ours(&other, b""),
            format!(
                "EV_EVENT_TAG: image, /dev/vda, 1 byte, format meta-measured, seal ram, written by measureroot {version}"
            )
        );
        assert_eq!(ours(&Claim::failed(), FAILED.as_bytes()), "EV_EVENT_TAG: the text \"measureroot: failed\"");
        assert_eq!(
            ours(&Claim::image("/dev/vda", 1, "none"), UNMEASURED.as_bytes()),
            "EV_EVENT_TAG: the text \"measureroot: unmeasured\"",
            "the digest counts, not the claim"
        );
        let hex = "ab".repeat(32);
        let prepared = Claim { root_hash: Some(hex.clone()), ..Claim::new(EventKind::Roothash) };
        let text = format!("measureroot: roothash={hex}");
        let wanted = format!("EV_EVENT_TAG: root hash, {hex}, written by measureroot {version}");
        assert_eq!(ours(&prepared, text.as_bytes()), wanted);
        for (claim, measured) in [(Claim::unmeasured(), b"an image".as_slice()), (prepared, b"a root hash")] {
            assert!(ours(&claim, measured).ends_with("BUT ITS DIGEST DOES NOT MATCH"));
        }
    }

    #[test]
    fn events_of_other_programs_are_described() {
        let table: [(u32, &[u8], &str); 4] = [
            (0x4, &[0; 4], "EV_SEPARATOR: no error"),
            (0xD, b"two\nlines\0", "EV_IPL: two\\nlines"),
            (0x8000_0007, b"\xff\xfe\x01", "EV_EFI_ACTION: fffe01"),
            (0x42, b"", "0x00000042"),
        ];
        for (kind, data, wanted) in table {
            assert_eq!(describe(EventType(kind), data, b""), wanted);
        }
        let json = |content_type: &str, content| {
            let content = Content::Json { content_type: content_type.to_owned(), content };
            Event { pcr: None, no_pcr: None, digests: digests_of(&[Bank::Sha1], b""), others: BTreeMap::new(), content }
                .describe()
        };
        assert_eq!(json("systemd", json!({ "string": "enter-initrd", "x": 1 })), "systemd: enter-initrd");
        assert_eq!(json("a\u{1b}[2J", json!({ "x": "\n" })), "a\\u{1b}[2J: {\"x\":\"\\n\"}");
        let unknown = json!({ "event_type": "EV_NEW", "event_data": "61620a" });
        assert_eq!(json("pcclient_std", unknown), "pcclient_std: EV_NEW: ab\\n");
        assert_eq!(json("", json!({ "string": "x" })), "record: x");
    }

    #[test]
    fn words_are_proven_if_the_digest_is_that_of_the_data() {
        let standing = |kind: u32, data: &[u8], measured: &[u8]| {
            let event = event(EventType(kind), data, measured);
            (event.describe(), event.standing(&Bank::ALL).name())
        };
        let table: [(u32, &[u8], &[u8], &str); 13] = [
            (0xD, b".\0o\0s\0\0\0", b".os\0", "proven EV_IPL: .os"),
            (0xD, b".\0o\0s\0\0\0", b"its content", "claimed EV_IPL: .os"),
            (5, b"text", b"text", "proven EV_ACTION: text"),
            (5, b"text", b"other", "claimed EV_ACTION: text"),
            (5, b"text\0", b"text", "proven EV_ACTION: text"),
            (3, b"text", b"text", "not measured EV_NO_ACTION: text"),
            (0xD, b"grub_cmd: ls\0", b"ls", "proven EV_IPL: grub_cmd: ls"),
            (0xD, b"/vmlinuz", b"the kernel", "claimed EV_IPL: /vmlinuz"),
            (4, &[0; 4], &[0; 4], "proven EV_SEPARATOR: no error"),
            (4, &[0; 4], &[1, 0, 0, 0], "proven EV_SEPARATOR: AN ERROR of the firmware; the log claims: no error"),
            (4, b"a fault", &[0, 0, 0, 1], "proven EV_SEPARATOR: AN ERROR of the firmware; the log claims: a fault"),
            (4, b"WBCL", b"WBCL", "proven EV_SEPARATOR: WBCL"),
            (4, &[0; 4], b"x", "claimed EV_SEPARATOR: no error"),
        ];
        for (kind, data, measured, wanted) in table {
            let (words, standing) = standing(kind, data, measured);
            assert_eq!(format!("{standing} {words}"), wanted);
        }
        let image = event(EventType::EVENT_TAG, &Claim::image("/dev/vda", 1, "ram").tagged().unwrap(), b"image");
        assert_eq!(image.standing(&Bank::ALL), Standing::Claimed);
        let failed = event(EventType::EVENT_TAG, &Claim::failed().tagged().unwrap(), FAILED.as_bytes());
        assert_eq!(failed.standing(&Bank::ALL), Standing::Proven);
    }

    #[test]
    fn only_the_banks_that_count_are_judged() {
        // A log that the firmware began has zeros for a bank that the TPM has not active.
        let mut failed = event(EventType::EVENT_TAG, &Claim::failed().tagged().unwrap(), FAILED.as_bytes());
        failed.digests.insert(Bank::Sha1, crate::hash::digest::Digest::zero(Bank::Sha1));
        let words = "EV_EVENT_TAG: the text \"measureroot: failed\"";
        assert_eq!((failed.describe().as_str(), failed.describe_in(&[Bank::Sha256]).as_str()), (words, words));
        assert_eq!(failed.banks(), [Bank::Sha256, Bank::Sha384, Bank::Sha512]);
        failed.digests.insert(Bank::Sha1, Bank::Sha1.digest(b"other"));
        assert_eq!(failed.describe_in(&[Bank::Sha256]), words);
        assert!(failed.describe().ends_with("BUT ITS DIGEST DOES NOT MATCH"));
        assert!(!failed.describe_in(&[]).contains("BUT"));
    }
}
