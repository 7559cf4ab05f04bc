//! What is measured before the agent, written in each output format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};

use serde::Serialize;
use serde_json::json;

use super::boot::Boot;
use super::format::Format;
use super::start::{MenuEntry, Start};
use super::subject::Subject;
use crate::chain::event::Expected;
use crate::chain::forecast::{Answer, Forecast, MOST_VALUES, Part, Value};
use crate::cli::json;
use crate::error::{Error, Result, one_line};
use crate::hash::bank::Bank;

/// The version of the JSON. It changes if a field changes its meaning or goes.
const VERSION: u32 = 1;

/// A prediction of the chain.
#[derive(Debug, Serialize)]
pub(super) struct ChainReport<'a> {
    version: u32,
    #[serde(flatten)]
    start: &'a Start,
    #[serde(skip_serializing_if = "Option::is_none")]
    append: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<&'a Subject>,
    #[serde(flatten)]
    boots: Boots<'a>,
}

/// One boot, or one for each entry of a menu.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Boots<'a> {
    One(BootReport<'a>),
    Entries { entries: Vec<BootReport<'a>> },
}

/// A boot.
#[derive(Debug, Serialize)]
struct BootReport<'a> {
    #[serde(flatten)]
    entry: Option<&'a MenuEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<&'a Subject>,
    unmeasured: &'a [String],
    pcrs: BTreeMap<u8, Pcr<'a>>,
}

/// Checks that a format can express several values of a PCR.
///
/// # Errors
/// If it cannot.
pub(super) fn check_format(format: Option<Format>) -> Result<()> {
    match format {
        None | Some(Format::Json | Format::Keylime) => Ok(()),
        Some(_) => Err(inexpressible()),
    }
}

fn inexpressible() -> Error {
    Error::new("--format", "cannot express what is measured before the agent: a PCR has several values there")
        .hint("use json or keylime, or no --format")
}

/// One PCR.
#[derive(Debug, Serialize)]
struct Pcr<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Value>>,
    #[serde(flatten)]
    forecast: &'a Forecast,
}

impl<'a> ChainReport<'a> {
    /// The report about what the firmware starts, and about the root image if one is named.
    pub(super) fn new(
        start: &'a Start,
        append: Option<&'a str>,
        root: Option<&'a Subject>,
        boots: &'a [Boot],
        banks: &[Bank],
    ) -> Self {
        let mut reports: Vec<_> = boots.iter().map(|boot| BootReport::new(boot, banks)).collect();
        let boots = match reports.pop() {
            Some(one) if reports.is_empty() && one.entry.is_none() => Boots::One(one),
            last => {
                reports.extend(last);
                Boots::Entries { entries: reports }
            }
        };
        Self { version: VERSION, start, append, root, boots }
    }

    fn boots(&self) -> &[BootReport<'a>] {
        match &self.boots {
            Boots::One(one) => std::slice::from_ref(one),
            Boots::Entries { entries } => entries,
        }
    }

    /// The text in a format; words for a person if there is none.
    ///
    /// # Errors
    /// If the format cannot express it.
    pub(super) fn text(&self, format: Option<Format>) -> Result<String> {
        match format {
            Some(Format::Json) => json::pretty(self),
            Some(Format::Keylime) => {
                // This format has no place for it.
                let all: BTreeSet<_> = self.boots().iter().flat_map(|boot| boot.unmeasured).collect();
                for what in all {
                    log::warn!("not measured: {what}");
                }
                Ok(format!("{}\n", self.keylime()))
            }
            Some(_) => Err(inexpressible()),
            None => Ok(self.words()),
        }
    }

    fn words(&self) -> String {
        let mut text = Text::default();
        text.line(0, self.start);
        for note in self.start.notes() {
            text.line(2, note);
        }
        for event in self.start.measured() {
            text.event(2, event);
            event.digests.iter().for_each(|(bank, digest)| text.line(4, format_args!("{bank:<6} {digest}")));
        }
        for boot in self.boots() {
            text.boot(boot);
        }
        text.0
    }

    /// The acceptable values of each PCR, in each bank that the verifier may ask for. A PCR must follow for every entry of the menu:
    /// else a boot of one whose values are not known would be refused.
    fn keylime(&self) -> serde_json::Value {
        let mut all: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for (&number, pcr) in self.boots().iter().flat_map(|boot| &boot.pcrs) {
            let values = pcr.values.iter().flatten().flat_map(|value| value.pcr.values().map(ToString::to_string));
            all.entry(number).or_default().extend(values);
        }
        for boot in self.boots() {
            for number in boot.pcrs.iter().filter(|(_, pcr)| pcr.values.is_none()).map(|(number, _)| number) {
                if let (Some(values), Some(entry)) = (all.remove(number), boot.entry)
                    && !values.is_empty()
                {
                    log::warn!("PCR {number} is left out: its value after a boot of {} does not follow", entry.id);
                }
            }
        }
        for values in all.values_mut() {
            let mut seen = BTreeSet::new();
            values.retain(|value| seen.insert(value.clone()));
        }
        json!(all)
    }
}

impl<'a> BootReport<'a> {
    fn new(Boot { entry, forecasts, root }: &'a Boot, banks: &[Bank]) -> Self {
        let pcr = |(&pcr, forecast): (&u8, &'a Forecast)| (pcr, Pcr { values: forecast.values(banks), forecast });
        let pcrs = forecasts.pcrs.iter().map(pcr).collect();
        let root = root.as_ref().map(|root| &root.subject);
        Self { entry: entry.as_ref(), root, unmeasured: &forecasts.unmeasured, pcrs }
    }
}

/// Lines for a person. Each is one line, whatever names and command lines are in it.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, indent: usize, words: impl Display) {
        // Writing to a string does not fail.
        writeln!(self.0, "{:indent$}{}", "", one_line(&words)).ok();
    }

    fn boot(&mut self, boot: &BootReport<'_>) {
        if let Some(entry) = boot.entry {
            self.line(0, "");
            self.line(0, entry);
        }
        for what in boot.unmeasured {
            self.line(0, format_args!("NOT MEASURED: {what}"));
        }
        for (number, pcr) in &boot.pcrs {
            match pcr.forecast {
                Forecast::Open { why } => {
                    self.line(0, format_args!("PCR {number} does not follow from the files: {why}"));
                }
                Forecast::Follows { parts, assumes } => {
                    self.line(0, format_args!("PCR {number}"));
                    let values = pcr.values.iter().flatten();
                    values.for_each(|value| self.value(value));
                    if pcr.values.is_none() {
                        self.line(2, format_args!("it has more than {MOST_VALUES} values; its parts tell them"));
                    }
                    if parts.is_empty() {
                        self.line(2, "nothing extends it");
                    }
                    for part in parts {
                        self.part(part);
                    }
                    for what in assumes {
                        self.line(2, format_args!("as long as {what}"));
                    }
                }
            }
        }
    }

    fn value(&mut self, Value { answers, pcr }: &Value) {
        if !answers.is_empty() {
            self.line(2, format_args!("if {}:", answers.join(", and ")));
        }
        for (bank, value) in pcr {
            self.line(4, format_args!("{bank:<6} {value}"));
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Locality(4) => {
                self.line(2, "it starts at 0...4: a hardware root of trust measured before the TPM was started");
            }
            Part::Locality(locality) => self
                .line(2, format_args!("it starts at 0...{locality:x}: the TPM was started from locality {locality}")),
            Part::Event(event) => self.event(2, event),
            Part::Choice(choice) => {
                for Answer { name, events } in choice.answers.iter().filter(|answer| !answer.events.is_empty()) {
                    self.line(2, format_args!("if {name}:"));
                    for event in events {
                        self.event(4, event);
                    }
                }
            }
        }
    }

    fn event(&mut self, indent: usize, Expected { kind, what, from, .. }: &Expected) {
        let from = from.as_ref().map(|from| format!(" ({from})")).unwrap_or_default();
        self.line(indent, format_args!("{kind}: {what}{from}"));
    }
}
