//! The chain that starts the agent, as a list expects it: for each alternative the PCRs, and for each PCR its parts. The values of a
//! PCR are never listed: several questions in several PCRs would make a product without a bound.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::eventlog::EventType;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::{MAX_LOCALITY, Pcr};

/// How many alternatives an image may have. A boot menu on a screen has far fewer.
const MOST_BOOTS: usize = 64;
/// How many parts a PCR may have. GRUB measures each command and each file: Debian's configuration has some 200.
const MOST_PARTS: usize = 4096;
/// How many choices a PCR may have: the prediction knows a handful of questions.
const MOST_CHOICES: usize = 16;
/// How many answers a choice may have.
const MOST_ANSWERS: usize = 64;
/// How many events an answer may have.
const MOST_EVENTS: usize = 256;
/// The longest text in bytes: a command line for Linux has up to 4096 (`COMMAND_LINE_SIZE` of the kernel), and is quoted in words.
const LONGEST_TEXT: usize = 16 << 10;

/// What may start the agent with this image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedChain {
    /// The alternatives: one for each file that firmware starts, or for each entry of a boot menu.
    pub(crate) boots: Vec<ExpectedBoot>,
}

/// One alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedBoot {
    /// The file that firmware starts, or the entry of the menu.
    pub(crate) name: String,
    /// What runs, or decides what runs, although no PCR holds it.
    pub(crate) unmeasured: Vec<String>,
    /// What is expected of each PCR that follows from the files.
    pub(crate) pcrs: BTreeMap<Pcr, Vec<ExpectedPart>>,
}

/// A part of what is expected of a PCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExpectedPart {
    /// The locality that starts the TPM, as the first part: the last byte of the PCR, before its events (TCG PC Client Platform Firmware
    /// Profile 1.06, section 10.4.5.3).
    Locality(u8),
    /// This event.
    Event(ExpectedEvent),
    /// The events of one of the answers.
    Choice(ExpectedChoice),
}

/// The locality with which the parts begin.
pub(super) fn locality(parts: &[ExpectedPart]) -> u8 {
    match parts.first() {
        Some(ExpectedPart::Locality(locality)) => *locality,
        _ => 0,
    }
}

/// What a machine decides. PCRs with the same question have the same answer in one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedChoice {
    pub(crate) question: String,
    pub(crate) answers: Vec<ExpectedAnswer>,
}

/// An answer, and what is measured then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedAnswer {
    /// It follows "if".
    pub(crate) name: String,
    pub(crate) events: Vec<ExpectedEvent>,
}

/// An expected extend of a PCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedEvent {
    /// The type that the event has in the firmware's log.
    pub(crate) kind: EventType,
    /// What is measured, in words.
    pub(crate) what: String,
    /// The file, or the section of a file.
    pub(crate) from: Option<String>,
    /// The digest in each bank.
    pub(crate) digests: Digests,
}

impl ExpectedChain {
    /// Takes over the alternatives of an older chain of the same image, but those that have a new one with their name.
    pub(in crate::evidence) fn take_boots_of(&mut self, older: &Self) {
        let is_gone = |old: &&ExpectedBoot| self.boots.iter().all(|boot| boot.name != old.name);
        let kept: Vec<_> = older.boots.iter().filter(is_gone).cloned().collect();
        self.boots.splice(0..0, kept);
    }

    /// Checks the bounds, and that no two names are the same.
    ///
    /// # Errors
    /// The first part that is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        count("chain", "alternatives", self.boots.len(), MOST_BOOTS)?;
        if self.boots.is_empty() {
            return Err(Error::new("chain", "has no boot that may start the agent"));
        }
        unique("alternative", self.boots.iter().map(|boot| boot.name.as_str()))?;
        self.boots.iter().try_for_each(|boot| boot.check().map_err(|error| error.on(&boot.name)))
    }
}

impl ExpectedBoot {
    fn check(&self) -> Result<()> {
        text(&self.name)?;
        count("unmeasured", "texts", self.unmeasured.len(), MOST_PARTS)?;
        self.unmeasured.iter().try_for_each(|what| text(what))?;
        let banks = self.banks();
        if banks.is_empty() {
            return Err(Error::new("pcrs", "have no event, so they expect nothing"));
        }
        self.pcrs.iter().try_for_each(|(pcr, parts)| {
            let named = |error: Error| error.on(format_args!("PCR {pcr}"));
            count("parts", "parts", parts.len(), MOST_PARTS).map_err(named)?;
            let choices = parts.iter().filter(|part| matches!(part, ExpectedPart::Choice(_))).count();
            count("parts", "choices", choices, MOST_CHOICES).map_err(named)?;
            if parts.iter().skip(1).any(|part| matches!(part, ExpectedPart::Locality(_))) {
                return Err(named(Error::new("locality", "a TPM starts before its first event")));
            }
            parts.iter().try_for_each(|part| part.check(&banks)).map_err(named)
        })
    }

    /// All events, in every case.
    fn events(&self) -> impl Iterator<Item = &ExpectedEvent> {
        self.pcrs.values().flatten().flat_map(ExpectedPart::events)
    }

    /// The banks for which all is expected. PCRs without an event are zero in them.
    pub(in crate::evidence) fn banks(&self) -> Vec<Bank> {
        self.events().next().map(|event| event.digests.keys().copied().collect()).unwrap_or_default()
    }
}

impl ExpectedPart {
    /// The events of all answers.
    pub(in crate::evidence) fn events(&self) -> impl Iterator<Item = &ExpectedEvent> {
        let (event, answers) = match self {
            Self::Locality(_) => (None, &[][..]),
            Self::Event(event) => (Some(event), &[][..]),
            Self::Choice(choice) => (None, &choice.answers[..]),
        };
        event.into_iter().chain(answers.iter().flat_map(|answer| &answer.events))
    }

    fn check(&self, banks: &[Bank]) -> Result<()> {
        if let Self::Locality(locality) = self
            && *locality > MAX_LOCALITY
        {
            return Err(Error::new(
                format_args!("locality {locality}"),
                format_args!("a TPM has localities 0-{MAX_LOCALITY}"),
            ));
        }
        if let Self::Choice(ExpectedChoice { question, answers }) = self {
            text(question)?;
            count(question, "answers", answers.len(), MOST_ANSWERS)?;
            unique("answer", answers.iter().map(|answer| answer.name.as_str()))?;
            for answer in answers {
                text(&answer.name)?;
                count(&answer.name, "events", answer.events.len(), MOST_EVENTS)?;
            }
        }
        self.events().try_for_each(|event| {
            text(&event.what)?;
            event.from.as_deref().map_or(Ok(()), text)?;
            // Else a PCR would be as expected in one bank, and nobody would know of another.
            if event.digests.keys().eq(banks) {
                Ok(())
            } else {
                Err(Error::new(&event.what, "has other banks than the first event")
                    .hint("--bank names the banks that are predicted; a log of --like may lack some"))
            }
        })
    }
}

fn count(object: &str, what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        Ok(())
    } else {
        Err(Error::new(object, format_args!("has {count} {what}; the limit is {most}")))
    }
}

fn text(text: &str) -> Result<()> {
    if text.len() <= LONGEST_TEXT {
        return Ok(());
    }
    let start: String = text.chars().take(40).collect();
    Err(Error::new(start, format_args!("... has {} bytes; the limit is {LONGEST_TEXT}", text.len())))
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::new(name, format_args!("is the name of a second {what}")));
        }
    }
    Ok(())
}
