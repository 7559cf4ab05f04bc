//! The text of a command line: the expected one, and the one that a log claims. The digest of a command line does not tell its text. But the
//! log of systemd's stub and of GRUB has the text, and the kernel measures the same text again: if its hash is the digest, it is proven.

use std::collections::BTreeMap;

use crate::eventlog::event::Content;
use crate::eventlog::{Event, EventType};
use crate::hash::bank::Bank;

/// `EV_IPL`: boot loaders put the text into the data of such events (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1).
const IPL: EventType = EventType(0x0000_000D);
/// How GRUB begins the data (grub-core/commands/tpm.c). It is not measured.
const GRUB: &str = "kernel_cmdline: ";
/// How many events are searched for the text, and how long their data may be: a boot loader measures some hundred texts.
const MOST_EVENTS: usize = 1024;
const LONGEST: usize = 16 << 10;
/// How many characters of words that differ are shown: a log may be hostile.
const SHOWN: usize = 512;

/// The text of a command line that a machine booted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BootedText {
    pub(super) text: String,
    /// Whether the event's digest is that of the text. If not, it is what the log says.
    pub(super) is_proven: bool,
}

/// The text that is quoted in the words about an expected command line.
pub(super) fn expected(what: &str) -> Option<String> {
    let (before, rest) = what.split_once('"')?;
    let (quoted, _) = rest.rsplit_once('"')?;
    before.contains("command line").then(|| unescaped(quoted)).flatten()
}

/// Text without the escapes that `{:?}` makes.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'u' => {
                let hex: String = rest.by_ref().skip(1).take_while(|&c| c != '}').collect();
                char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(plain)
}

/// The text that was measured with the event: one of the texts of the log that has the event's digest, else what the event itself says.
pub(super) fn booted(event: &Event, banks: &[Bank], log: &[Event]) -> Option<BootedText> {
    let all = log.iter().filter(|event| is_text(event)).take(MOST_EVENTS).flat_map(texts);
    let proven = texts(event).into_iter().chain(all).find(|text| is_digest_of(event, text, banks));
    let claimed = || texts(event).into_iter().next().filter(|_| is_text(event));
    let of = |is_proven| move |text| BootedText { text, is_proven };
    proven.map(of(true)).or_else(|| claimed().map(of(false)))
}

fn is_text(event: &Event) -> bool {
    matches!(&event.content, Content::Tcg { kind: IPL, .. })
}

/// The text that the event's data has, in UTF-16 or UTF-8.
fn texts(event: &Event) -> Vec<String> {
    let Content::Tcg { data, .. } = &event.content else { return Vec::new() };
    if data.len() > LONGEST {
        return Vec::new();
    }
    let units: Vec<_> = data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let is_text = |text: &String| !text.trim_end_matches('\0').contains('\0');
    let wide = String::from_utf16(&units).ok().filter(|_| data.len().is_multiple_of(2));
    let is_wide = data.iter().skip(1).step_by(2).filter(|&&byte| byte == 0).count() * 4 >= data.len();
    let narrow = String::from_utf8(data.clone()).ok();
    let found = if is_wide { [wide, narrow] } else { [narrow, wide] };
    let plain = |text: String| {
        let text = text.trim_end_matches('\0');
        text.strip_prefix(GRUB).unwrap_or(text).to_owned()
    };
    found.into_iter().flatten().filter(is_text).map(plain).filter(|text| !text.is_empty()).collect()
}

/// Whether the event's digest is that of the text in one of the forms that programs measure: UTF-16 (systemd, Linux) or UTF-8 (GRUB), with a
/// zero at its end or without one.
fn is_digest_of(event: &Event, text: &str, banks: &[Bank]) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let narrow = text.as_bytes();
    let forms = [[&wide[..], &[0, 0]].concat(), [narrow, &[0]].concat(), narrow.to_vec(), wide];
    forms.iter().any(|form| event.is_digest_of(form, banks))
}

/// How a command line differs from the expected one.
pub(super) fn words(expected: &str, booted: &str) -> String {
    let (added, removed) = (without(booted, expected), without(expected, booted));
    let shown = |words: &[&str]| {
        let text = words.join(" ");
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{:?}... ({} bytes)", &text[..end], text.len()),
            None => format!("{text:?}"),
        }
    };
    match (added.is_empty(), removed.is_empty()) {
        (false, true) => format!("has {} added", shown(&added)),
        (true, false) => format!("lacks {}", shown(&removed)),
        (false, false) => format!("has {} in place of {}", shown(&added), shown(&removed)),
        (true, true) => format!("is {}: the same words in another form", shown(&[booted])),
    }
}

/// How many words differ.
pub(super) fn distance(expected: &str, booted: &str) -> usize {
    without(booted, expected).len() + without(expected, booted).len()
}

/// The words that the other text does not have, or not as often.
fn without<'a>(words: &'a str, others: &'a str) -> Vec<&'a str> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    others.split_whitespace().for_each(|word| *count.entry(word).or_default() += 1);
    let is_left = |word: &&'a str| match count.get_mut(word) {
        Some(left @ 1..) => {
            *left -= 1;
            false
        }
        _ => true,
    };
    words.split_whitespace().filter(is_left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;

    const BANKS: [Bank; 1] = [Bank::Sha256];

    fn event(kind: EventType, measured: &[u8], data: &[u8]) -> Event {
        let content = Content::Tcg { kind, data: data.to_vec() };
        Event { pcr: None, no_pcr: None, digests: digests_of(&BANKS, measured), others: BTreeMap::new(), content }
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn the_quoted_text_is_read_back() {
        for text in ["root=/dev/vda ro", "initrd=\\a \"b\" 'c'", "a\tb\n\u{1}é\u{200b}", ""] {
            for what in
                [format!("the command line {text:?}"), format!("the command line {text:?}, which it hands over")]
            {
                assert_eq!(expected(&what).as_deref(), Some(text), "{what}");
            }
        }
        for other in
            ["the kernel", "the command line", "the command line \"", "the kernel \"6\"", "the command line \"\\u{x}\""]
        {
            assert_eq!(expected(other), None, "{other}");
        }
    }

    #[test]
    fn a_text_is_proven_only_by_its_hash() {
        let text = "ro init=/bin/sh";
        let found =
            |event: &Event, log: &[Event]| booted(event, &BANKS, log).map(|found| (found.text, found.is_proven));
        let some = |is_proven| Some((text.to_owned(), is_proven));
        // systemd-stub logs what it measures; the kernel logs only a name.
        let stub = event(IPL, &wide(&format!("{text}\0")), &wide(&format!("{text}\0")));
        let kernel = event(EventType::EVENT_TAG, &wide(&format!("{text}\0")), b"LOADED_IMAGE::LoadOptions");
        let liar = event(IPL, b"another", &wide(text));
        let grub = event(IPL, text.as_bytes(), format!("kernel_cmdline: {text}\0").as_bytes());
        assert_eq!(found(&stub, &[]), some(true));
        assert_eq!(found(&kernel, &[]), None);
        assert_eq!(found(&kernel, std::slice::from_ref(&stub)), some(true));
        assert_eq!(found(&kernel, std::slice::from_ref(&liar)), some(true), "the hash proves it, whoever says it");
        assert_eq!(found(&liar, &[]), some(false));
        assert_eq!(found(&grub, &[]), some(true));
        // A text with an even number of bytes is one in UTF-16, too, with characters of China.
        for text in ["quiet splash", "ro"] {
            let claimed = Some((text.to_owned(), false));
            assert_eq!(found(&event(IPL, b"another", text.as_bytes()), &[]), claimed);
            assert_eq!(found(&event(IPL, b"another", &wide(text)), &[]), claimed);
        }
        assert_eq!(found(&event(IPL, b"x", &vec![0; LONGEST + 2]), &[]), None);
    }

    #[test]
    fn the_words_that_differ_are_named() {
        for (expected, booted, said) in [
            ("root=x ro", "root=x ro init=/bin/sh", "has \"init=/bin/sh\" added"),
            ("root=x ro", "root=x", "lacks \"ro\""),
            ("root=x ro", "rw root=x", "has \"rw\" in place of \"ro\""),
            ("a a", "a", "lacks \"a\""),
            ("a b", "b a", "is \"b a\": the same words in another form"),
        ] {
            assert_eq!(words(expected, booted), said);
        }
        assert_eq!((distance("a b b", "b c"), distance("a", "a")), (3, 0));
        assert!(words("", &"é".repeat(9000)).ends_with("é\"... (18000 bytes) added"));
    }
}
