//! What GRUB measures: each command as text into PCR 8, each file that it opens into PCR 9 (grub-core/commands/tpm.c). The text
//! is measured without a zero at its end, and without the words before it that the log shows (`grub_cmd: `).

use std::collections::{BTreeMap, BTreeSet};

use super::volumes::has_name;
use crate::chain::event::{Expected, IPL};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// The most events. Debian's stock configuration has some hundred.
const MOST: usize = 2048;
/// How many characters of a command an event shows.
const SHOWN: usize = 160;

/// The events.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// Whether the module tpm is loaded: without it, nothing is measured.
    pub(super) is_on: bool,
    /// Of PCR 8.
    pub(super) texts: Vec<Expected>,
    /// Of PCR 9.
    pub(super) files: Vec<Expected>,
    /// What it read before it could measure. Whoever writes these files decides what is measured, and with what.
    pub(super) missed: BTreeSet<String>,
    /// Why PCR 8 does not follow.
    pub(super) open: Option<String>,
}

impl Measured {
    /// Measures a text. `place` is where it comes from. False if there are too many events.
    pub(super) fn text(&mut self, kind: &str, text: &str, place: &str, banks: &[Bank]) -> bool {
        if !self.is_on {
            return true;
        }
        if has_name(text) {
            self.open.get_or_insert_with(|| {
                format!("{place}: GRUB measures the name of a disk there, which the machine decides")
            });
        }
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        self.texts.push(Expected::of(IPL, &format!("{kind}: {shown}"), Some(place), &[text.as_bytes()], banks));
        self.texts.len() < MOST
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

/// The digests of files that were read.
pub(super) type Digested = BTreeMap<(usize, String), Digests>;
