//! An event in words. They come from whoever wrote the log, so they are cut short, and cannot write on the reader's
//! terminal but on their own line.

use serde_json::Value;

use super::claim::{Claim, EventKind};
use super::event::{Content, Event};
use super::event_type::EventType;
use crate::measure::measurement::{FAILED, UNMEASURED};

/// Characters of a log's own words that are shown.
const SHOWN: usize = 160;

impl Event {
    /// What happened, as far as the log tells.
    #[must_use]
    pub fn words(&self) -> String {
        let kind = match &self.content {
            Content::Tcg { kind, .. } => kind.to_string(),
            Content::Json { content_type, .. } => shown(content_type),
        };
        let (said, text) = (self.said(), Claim::of(self).and_then(|claim| claim.text()));
        // These two are known by their digest, whatever the log calls them.
        let known = [FAILED, UNMEASURED].into_iter().find(|text| self.is_digest_of(text.as_bytes()));
        match (known, text) {
            (Some(known), _) => format!("{kind}: the text \"{known}\""),
            (None, Some(text)) if !self.is_digest_of(text.as_bytes()) => {
                format!("{kind}: {said}; BUT ITS DIGEST IS ANOTHER'S")
            }
            _ if said.is_empty() => kind,
            _ => format!("{kind}: {said}"),
        }
    }

    /// Whether the event's digests are those of `bytes`, in every bank it has.
    #[must_use]
    pub fn is_digest_of(&self, bytes: &[u8]) -> bool {
        !self.digests.is_empty() && self.digests.iter().all(|(bank, digest)| *digest == bank.digest(bytes))
    }

    /// The log's own words.
    fn said(&self) -> String {
        if let Some(claim) = Claim::of(self) {
            return shown(&claim.words());
        }
        match &self.content {
            Content::Tcg { kind, data } => text(variable_name(*kind, data).unwrap_or(data)),
            Content::Json { content: Value::Null, .. } => String::new(),
            Content::Json { content, .. } => {
                let string = content.get("string").and_then(Value::as_str);
                string.map_or_else(|| shown(&content.to_string()), shown)
            }
        }
    }
}

impl Claim {
    fn words(&self) -> String {
        let what = match self.event {
            EventKind::Image => "image",
            EventKind::Roothash => "root hash",
            EventKind::Unmeasured => "UNMEASURED",
            EventKind::Failed => "FAILED",
        };
        let parts = [
            self.root_hash.clone(),
            self.image.clone(),
            self.bytes.map(|bytes| format!("{bytes} bytes")),
            self.format.map(|format| format!("format {format}")),
            self.seal.as_ref().map(|seal| format!("seal {seal}")),
            Some(format!("says measureroot {}", self.version)),
        ];
        parts.into_iter().flatten().fold(what.to_owned(), |words, part| format!("{words}, {part}"))
    }
}

/// The name in `UEFI_VARIABLE_DATA`: a GUID, two lengths of 64 bits, the name in UTF-16 (TCG PC Client Platform Firmware
/// Profile 1.05, section 10.2.6).
fn variable_name(kind: EventType, data: &[u8]) -> Option<&[u8]> {
    let has_name = matches!(kind.0, 0x8000_0001 | 0x8000_0002 | 0x8000_000C | 0x8000_00E0);
    let length = u64::from_le_bytes(data.get(16..24)?.try_into().ok()?);
    let length = usize::try_from(length).ok().filter(|_| has_name)?;
    data.get(32..)?.get(..length.checked_mul(2)?)
}

/// Bytes that are a text, in UTF-8 or UTF-16; nothing else.
fn text(bytes: &[u8]) -> String {
    // Long enough for what is shown, in either form.
    let bytes = &bytes[..bytes.len().min(4 * SHOWN)];
    let is_text = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c == '\u{fffd}');
    let utf16 = || {
        // Of UTF-16 the ASCII characters alone: as a whole it makes Chinese of any bytes.
        bytes
            .chunks(2)
            .map(|pair| if let &[ascii @ 0..0x80, 0] = pair { char::from(ascii) } else { '\u{fffd}' })
            .collect()
    };
    let texts = [String::from_utf8_lossy(bytes).into_owned(), utf16()];
    texts.iter().map(|text| text.trim_end_matches('\0')).find(|text| is_text(text)).map(shown).unwrap_or_default()
}

fn shown(text: &str) -> String {
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

    fn words(kind: EventType, data: &[u8], measured: &[u8]) -> String {
        let content = Content::Tcg { kind, data: data.to_vec() };
        Event { pcr: Pcr::try_from(13).ok(), digests: digests_of(&Bank::ALL, measured), content }.words()
    }

    #[test]
    fn our_events_in_words() {
        let ours = |claim: &Claim, measured: &[u8]| words(EventType::EVENT_TAG, &claim.tagged().unwrap(), measured);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            ours(&Claim::image("/a on /dev/vda", 42, "verity"), b""),
            format!("EV_EVENT_TAG: image, /a on /dev/vda, 42 bytes, seal verity, says measureroot {version}")
        );
        let other = Claim { format: Some(ImageFormat::MetaMeasured), ..Claim::image("/dev/vda", 1, "ram") };
        assert_eq!(
            ours(&other, b""),
            format!(
                "EV_EVENT_TAG: image, /dev/vda, 1 bytes, format meta-measured, seal ram, says measureroot {version}"
            )
        );
        assert_eq!(ours(&Claim::failed(), FAILED.as_bytes()), "EV_EVENT_TAG: the text \"measureroot: failed\"");
        assert_eq!(
            ours(&Claim::image("/dev/vda", 1, "none"), UNMEASURED.as_bytes()),
            "EV_EVENT_TAG: the text \"measureroot: unmeasured\"",
            "a digest tells more than words"
        );
        let hex = "ab".repeat(32);
        let prepared = Claim { root_hash: Some(hex.clone()), ..Claim::new(EventKind::Roothash) };
        let text = format!("measureroot: roothash={hex}");
        let said = format!("EV_EVENT_TAG: root hash, {hex}, says measureroot {version}");
        assert_eq!(ours(&prepared, text.as_bytes()), said);
        for (claim, measured) in [(Claim::unmeasured(), b"an image".as_slice()), (prepared, b"a root hash")] {
            assert!(ours(&claim, measured).ends_with("BUT ITS DIGEST IS ANOTHER'S"));
        }
    }

    #[test]
    fn events_of_others_in_words() {
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
            assert_eq!(words(EventType(kind), data, b""), wanted);
        }
        let json = |content_type: &str, content| {
            let content = Content::Json { content_type: content_type.to_owned(), content };
            Event { pcr: None, digests: digests_of(&[Bank::Sha1], b""), content }.words()
        };
        assert_eq!(json("systemd", json!({ "string": "enter-initrd", "x": 1 })), "systemd: enter-initrd");
        assert_eq!(json("a\u{1b}[2J", json!({ "x": "\n" })), "a\u{fffd}[2J: {\"x\":\"\\n\"}");
    }
}
