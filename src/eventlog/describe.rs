//! Describes an event for a person. The text comes from a log that an attacker may have written. So it is cut to a length,
//! and its control characters are replaced: it cannot leave its own line on the reader's terminal.

use serde_json::Value;

use super::claim::{Claim, EventKind};
use super::event::{Content, Event};
use super::event_type::EventType;
use crate::count::counted;
use crate::cursor::Fields;
use crate::measure::measurement::{FAILED, UNMEASURED};

/// The most characters of a log's own text that are shown.
const SHOWN: usize = 160;

impl Event {
    /// The description of an event, as the log claims it.
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = match &self.content {
            Content::Tcg { kind, .. } => kind.to_string(),
            Content::Json { content_type, .. } => printable(content_type),
        };
        let (claimed, text) = (self.claimed(), Claim::of(self).and_then(|claim| claim.text()));
        // The digest identifies these two events, whatever the log claims about them.
        let known = [FAILED, UNMEASURED].into_iter().find(|text| self.is_digest_of(text.as_bytes()));
        match (known, text) {
            (Some(known), _) => format!("{kind}: the text \"{known}\""),
            (None, Some(text)) if !self.is_digest_of(text.as_bytes()) => {
                format!("{kind}: {claimed}; BUT ITS DIGEST DOES NOT MATCH")
            }
            _ if claimed.is_empty() => kind,
            _ => format!("{kind}: {claimed}"),
        }
    }

    /// Whether the event has digests, and all of them are digests of `bytes`.
    pub(crate) fn is_digest_of(&self, bytes: &[u8]) -> bool {
        !self.digests.is_empty() && self.digests.iter().all(|(bank, digest)| *digest == bank.digest(bytes))
    }

    /// What the log claims.
    fn claimed(&self) -> String {
        if let Some(claim) = Claim::of(self) {
            return printable(&claim.describe());
        }
        match &self.content {
            Content::Tcg { kind, data } => text(variable_name(*kind, data).unwrap_or(data)),
            Content::Json { content: Value::Null, .. } => String::new(),
            Content::Json { content, .. } => {
                let string = content.get("string").and_then(Value::as_str);
                string.map_or_else(|| printable(&content.to_string()), printable)
            }
        }
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

/// The variable's name in `UEFI_VARIABLE_DATA`, which has a GUID, two lengths of 64 bits, and the name in UTF-16 (TCG PC Client
/// Platform Firmware Profile 1.05, section 10.2.6).
fn variable_name(kind: EventType, data: &[u8]) -> Option<&[u8]> {
    let has_name = matches!(kind.0, 0x8000_0001 | 0x8000_0002 | 0x8000_000C | 0x8000_00E0);
    let length = usize::try_from(Fields(data).u64_le(16)?).ok().filter(|_| has_name)?;
    data.get(32..)?.get(..length.checked_mul(2)?)
}

/// The text that the bytes hold, in UTF-8 or UTF-16. Empty if they hold no text.
fn text(bytes: &[u8]) -> String {
    // Enough for all that is shown, in either encoding.
    let bytes = &bytes[..bytes.len().min(4 * SHOWN)];
    let is_text = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c == '\u{fffd}');
    let utf16 = || {
        // Only ASCII characters count: as UTF-16, arbitrary bytes mostly decode to Chinese characters.
        bytes
            .chunks(2)
            .map(|pair| if let &[ascii @ 0..0x80, 0] = pair { char::from(ascii) } else { '\u{fffd}' })
            .collect()
    };
    let texts = [String::from_utf8_lossy(bytes).into_owned(), utf16()];
    texts.iter().map(|text| text.trim_end_matches('\0')).find(|text| is_text(text)).map(printable).unwrap_or_default()
}

/// The text, cut to [`SHOWN`] characters, without control characters.
fn printable(text: &str) -> String {
    let whole: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(SHOWN + 1).collect();
    match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &whole[..end]),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::measure::image_format::ImageFormat;
    use crate::measure::pcr::Pcr;
    use serde_json::json;

    fn describe(kind: EventType, data: &[u8], measured: &[u8]) -> String {
        let content = Content::Tcg { kind, data: data.to_vec() };
        Event { pcr: Pcr::try_from(13).ok(), digests: digests_of(&Bank::ALL, measured), content }.describe()
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
        let name: Vec<u8> = "BootOrder".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let variable = |length: u64| [&[0; 16], &length.to_le_bytes()[..], &[0; 8], &name, &[1, 0]].concat();
        let long = "x".repeat(1000);
        let table: [(u32, &[u8], &str); 9] = [
            (0x4, &[0; 4], "EV_SEPARATOR"),
            (0xD, b"grub_cmd: ls\0", "EV_IPL: grub_cmd: ls"),
            (0xD, &name, "EV_IPL: BootOrder"),
            (0xD, b"two\nlines", "EV_IPL"),
            (0xD, long.as_bytes(), &format!("EV_IPL: {}...", "x".repeat(SHOWN))),
            (0x8000_0001, &variable(9), "EV_EFI_VARIABLE_DRIVER_CONFIG: BootOrder"),
            (0x8000_0001, &variable(u64::MAX), "EV_EFI_VARIABLE_DRIVER_CONFIG"),
            (0x8000_0001, &[0; 20], "EV_EFI_VARIABLE_DRIVER_CONFIG"),
            (0x42, b"", "0x00000042"),
        ];
        for (kind, data, wanted) in table {
            assert_eq!(describe(EventType(kind), data, b""), wanted);
        }
        let json = |content_type: &str, content| {
            let content = Content::Json { content_type: content_type.to_owned(), content };
            Event { pcr: None, digests: digests_of(&[Bank::Sha1], b""), content }.describe()
        };
        assert_eq!(json("systemd", json!({ "string": "enter-initrd", "x": 1 })), "systemd: enter-initrd");
        assert_eq!(json("a\u{1b}[2J", json!({ "x": "\n" })), "a\u{fffd}[2J: {\"x\":\"\\n\"}");
    }
}
