//! Compares what was quoted with one alternative of a chain.

use std::collections::BTreeSet;

use super::alignment::{self, Alignment};
use super::answers::{Answered, Pair, answers};
use super::chain::{ExpectedBoot, ExpectedPart, locality};
use super::difference::{Difference, differences, words_apart};
use super::held::Held;
use crate::eventlog::Event;
use crate::measure::pcr::Pcr;

/// The PCRs that were quoted, beside what an alternative expects of them.
#[derive(Debug)]
pub(in crate::evidence) struct Comparison<'a> {
    /// The alternative.
    pub(in crate::evidence) boot: &'a ExpectedBoot,
    /// The quoted PCRs of which it expects something.
    held: &'a [Held<'a>],
    /// Those that are as expected, all with the same answers.
    fits: BTreeSet<Pcr>,
    /// Those that are as expected alone, but with other answers than the others.
    contradict: BTreeSet<Pcr>,
    answered: Vec<Answered<'a>>,
}

impl<'a> Comparison<'a> {
    /// Compares. `held` has PCRs of which the alternative expects something.
    pub(in crate::evidence) fn of(boot: &'a ExpectedBoot, held: &'a [Held<'a>]) -> Self {
        let pair = |held: &'a Held<'a>| Some(Pair { held, parts: boot.pcrs.get(&held.pcr)? });
        let alone: Vec<_> = held.iter().filter_map(pair).filter(|&pair| answers(&[pair]).is_some()).collect();
        let (mut together, mut answered) = (Vec::new(), Vec::new());
        if let Some(found) = answers(&alone) {
            (together, answered) = (alone.clone(), found);
        } else {
            for &pair in &alone {
                together.push(pair);
                match answers(&together) {
                    Some(found) => answered = found,
                    None => drop(together.pop()),
                }
            }
        }
        let fits: BTreeSet<_> = together.iter().map(|pair| pair.held.pcr).collect();
        let contradict = alone.iter().map(|pair| pair.held.pcr).filter(|pcr| !fits.contains(pcr)).collect();
        Self { boot, held, fits, contradict, answered }
    }

    /// Whether a quoted PCR is as expected.
    pub(in crate::evidence) fn fits(&self, pcr: Pcr) -> bool {
        self.fits.contains(&pcr)
    }

    /// How many events of them differ, as a cost, and how many words of command lines. `log` has all events of the boot.
    pub(in crate::evidence) fn cost(&self, log: &[Event]) -> (u32, usize) {
        let differing = self.held.iter().filter(|held| !self.fits(held.pcr));
        let cost = |held: &Held<'a>| match self.alignment(held) {
            Some(alignment) => (alignment.cost, words_apart(&alignment.steps, &held.banks, log)),
            None => (u32::MAX, 0),
        };
        let add = |(events, words): (u32, usize), (more, other)| (events.saturating_add(more), words + other);
        differing.map(cost).fold((0, 0), add)
    }

    /// The answers that the machine gave to the questions of a PCR.
    pub(in crate::evidence) fn answers_of(&self, pcr: Pcr) -> Vec<String> {
        let is_asked = |question: &str| {
            let choices = self.boot.pcrs.get(&pcr).into_iter().flatten();
            choices
                .filter_map(|part| if let ExpectedPart::Choice(choice) = part { Some(choice) } else { None })
                .any(|choice| choice.question == question)
        };
        self.answered
            .iter()
            .filter(|(question, _)| is_asked(question))
            .map(|(_, answer)| (*answer).to_owned())
            .collect()
    }

    /// The files whose bytes are in a PCR that is as expected.
    pub(in crate::evidence) fn files_of(&self, pcr: Pcr) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        for part in self.boot.pcrs.get(&pcr).into_iter().flatten() {
            let events: Vec<_> = match part {
                ExpectedPart::Locality(_) => vec![],
                ExpectedPart::Event(event) => vec![event],
                ExpectedPart::Choice(choice) => {
                    let is_given = |name: &str| self.answered.contains(&(&choice.question, name));
                    choice
                        .answers
                        .iter()
                        .filter(|answer| is_given(&answer.name))
                        .flat_map(|answer| &answer.events)
                        .collect()
                }
            };
            for file in events.into_iter().filter_map(|event| event.from.as_ref()) {
                if !files.contains(file) {
                    files.push(file.clone());
                }
            }
        }
        files
    }

    /// How a quoted PCR differs. `log` has all events of the boot.
    pub(in crate::evidence) fn differences_of(&self, held: &Held<'a>, log: &[Event]) -> Vec<Difference> {
        if self.contradict.contains(&held.pcr) {
            let words =
                "its value follows from other answers than those of the other PCRs: no boot has both".to_owned();
            return vec![Difference::of_value(words)];
        }
        let found = self.alignment(held).map(|alignment| differences(&alignment, held, log)).unwrap_or_default();
        if !found.is_empty() {
            return found;
        }
        let expected = locality(self.boot.pcrs.get(&held.pcr).map(Vec::as_slice).unwrap_or_default());
        if held.events.is_some() && held.locality != expected {
            let words = format!("the TPM was started from locality {}, not from {expected}", held.locality);
            return vec![Difference::of_value(words)];
        }
        let values: Vec<_> = held.values.iter().map(|(bank, value)| format!("{bank} {value}")).collect();
        let words = format!("its value, {}, does not follow from the files, and no log tells why", values.join(", "));
        vec![Difference::of_value(words)]
    }

    fn alignment(&self, held: &Held<'a>) -> Option<Alignment<'a>> {
        let parts = self.boot.pcrs.get(&held.pcr)?;
        // Of a PCR that contradicts the others, the answers are not known.
        let events = self.held.iter().find(|other| other.pcr == held.pcr)?.events.as_ref()?;
        alignment::align(parts, &self.answered, events, &held.banks)
    }
}
