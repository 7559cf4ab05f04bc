//! What GRUB measures: each command as text into PCR 8, each file that it opens into PCR 9 (grub-core/commands/tpm.c). The text
//! is measured without a zero at its end, and without the words before it that the log shows (`grub_cmd: `).

use std::collections::{BTreeMap, BTreeSet};

use super::volumes::{Seen, has_name, written};
use crate::chain::event::{Expected, IPL};
use crate::chain::forecast::{Answer, Choice, Part, Question};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// The most events. Debian's stock configuration has some hundred.
const MOST: usize = 2048;
/// How many characters of a command an event shows.
const SHOWN: usize = 160;

/// How many disks have an alternative of their own: GRUB numbers them in the order in which the firmware finds them.
const MOST_DISKS: usize = 4;

/// A text that was measured.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The event, if the text has no name of a disk.
    event: Expected,
    /// The text, if it has one.
    named: Option<String>,
}

/// The events.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// Whether the module tpm is loaded: without it, nothing is measured.
    pub(super) is_on: bool,
    /// Of PCR 8.
    pub(super) texts: Vec<Text>,
    /// Of PCR 9.
    pub(super) files: Vec<Expected>,
    /// What it read before it could measure. Whoever writes these files decides what is measured, and with what.
    pub(super) missed: BTreeSet<String>,
}

impl Measured {
    /// Measures a text. `place` is where it comes from. False if there are too many events.
    pub(super) fn text(&mut self, kind: &str, text: &str, place: &str, banks: &[Bank]) -> bool {
        if !self.is_on {
            return true;
        }
        let named = has_name(text).then(|| text.to_owned());
        let event = Expected::of(IPL, &format!("{kind}: {}", shown(text)), Some(place), &[text.as_bytes()], banks);
        self.texts.push(Text { event, named });
        self.texts.len() < MOST
    }

    /// What is expected of PCR 8. If a text has the name of a disk, each name that GRUB may give to it is an alternative. The error
    /// says why it does not follow.
    pub(super) fn text_parts(&self, seen: &[Seen<'_>], banks: &[Bank]) -> Result<Vec<Part>, String> {
        let first = self.texts.iter().position(|text| text.named.is_some()).unwrap_or(self.texts.len());
        let (plain, rest) = self.texts.split_at(first);
        let mut parts: Vec<_> = plain.iter().map(|text| Part::Event(text.event.clone())).collect();
        if rest.is_empty() {
            return Ok(parts);
        }
        let answer = |number: usize| {
            let disk = format!("hd{number}");
            let events = rest.iter().map(|text| text.on(&disk, seen, banks)).collect::<Result<_, _>>()?;
            Ok(Answer::new(format!("GRUB calls the disk {disk}"), events))
        };
        let answers = (0..MOST_DISKS).map(answer).collect::<Result<_, String>>()?;
        parts.push(Part::Choice(Choice { question: Question::Disk, answers }));
        Ok(parts)
    }

    /// Measures a file. False if there are too many events.
    pub(super) fn file(&mut self, what: &str, path: &str, digests: &Digests) -> bool {
        if self.is_on {
            let (what, from, digests) = (what.to_owned(), Some(path.to_owned()), digests.clone());
            self.files.push(Expected { kind: IPL, what, from, digests, judged: None });
        } else {
            self.missed.insert(path.to_owned());
        }
        self.files.len() + self.missed.len() < MOST
    }
}

impl Text {
    /// The event if GRUB calls the disk `disk`.
    fn on(&self, disk: &str, seen: &[Seen<'_>], banks: &[Bank]) -> Result<Expected, String> {
        let Some(named) = &self.named else { return Ok(self.event.clone()) };
        let place = self.event.from.as_deref();
        let text = written(named, seen, disk).ok_or_else(|| {
            let place = place.unwrap_or("GRUB");
            format!("{place}: GRUB measures the name of a disk there, which the machine decides")
        })?;
        let kind = self.event.what.split_once(':').map_or("", |(kind, _)| kind);
        Ok(Expected::of(IPL, &format!("{kind}: {}", shown(&text)), place, &[text.as_bytes()], banks))
    }
}

/// The text as an event shows it.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// The digests of files that were read.
pub(super) type Digested = BTreeMap<(usize, String), Digests>;
