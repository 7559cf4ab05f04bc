//! What is measured before the agent, written in each output format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use serde::Serialize;
use serde_json::json;

use super::format::Format;
use super::start::Start;
use super::subject::Subject;
use crate::chain::event::Expected;
use crate::chain::forecast::{Answer, Forecast, Part, Value};
use crate::chain::forecasts::Forecasts;
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
        forecasts: &'a Forecasts,
        banks: &[Bank],
    ) -> Self {
        let pcr = |(&pcr, forecast): (&u8, &'a Forecast)| (pcr, Pcr { values: forecast.values(banks), forecast });
        let pcrs = forecasts.pcrs.iter().map(pcr).collect();
        Self { version: VERSION, start, append, root, unmeasured: &forecasts.unmeasured, pcrs }
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
                for what in self.unmeasured {
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
        for what in self.unmeasured {
            text.line(0, format_args!("NOT MEASURED: {what}"));
        }
        for (number, pcr) in &self.pcrs {
            match pcr.forecast {
                Forecast::Open { why } => {
                    text.line(0, format_args!("PCR {number} does not follow from the files: {why}"));
                }
                Forecast::Follows { parts, assumes } => {
                    text.line(0, format_args!("PCR {number}"));
                    pcr.values.iter().flatten().for_each(|value| text.value(value));
                    if parts.is_empty() {
                        text.line(2, "nothing extends it");
                    }
                    for part in parts {
                        text.part(part);
                    }
                    for what in assumes {
                        text.line(2, format_args!("as long as {what}"));
                    }
                }
            }
        }
        text.0
    }

    /// The acceptable values of each PCR, in each bank that the verifier may ask for.
    fn keylime(&self) -> serde_json::Value {
        let values = |pcr: &Pcr<'_>| {
            let all = pcr.values.iter().flatten().flat_map(|value| value.pcr.values().map(ToString::to_string));
            all.collect::<Vec<_>>()
        };
        let follows = self.pcrs.iter().filter(|(_, pcr)| pcr.values.is_some());
        json!(follows.map(|(number, pcr)| (number.to_string(), values(pcr))).collect::<BTreeMap<_, _>>())
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
