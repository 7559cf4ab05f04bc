//! The replay of the log of a confidential virtual machine: the RTMRs that it leads to, compared with those of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::input_file::Kinds;
use super::read_limited;
use crate::error::{Error, Result};
use crate::eventlog::ccel;
use crate::eventlog::event::Content;
use crate::eventlog::{Event, Log};
use crate::hash::digest::Digest;
use crate::measure::rtmr::RtmrIndex;

/// More bytes than a register has.
const VALUE: u64 = 64;

/// Values of RTMRs, by their numbers.
pub(super) type RtmrValues = BTreeMap<u8, Digest>;

/// A line for each value: the name of the register's file in sysfs, and the value in hex.
pub(super) fn text(values: &RtmrValues) -> String {
    values.iter().fold(String::new(), |mut text, (rtmr, value)| {
        // Writing to a string does not fail.
        writeln!(text, "rtmr{rtmr}:{} {value}", RtmrIndex::BANK).ok();
        text
    })
}

/// A log with the values that it leads to.
pub(super) struct RtmrReplay {
    log: Log,
    values: RtmrValues,
}

impl RtmrReplay {
    /// Replays the log.
    pub(super) fn of(log: Log) -> Self {
        Self { values: ccel::replay(&log), log }
    }

    /// The values that this folder of sysfs has, of each register that the log has an event for.
    pub(super) fn held(&self, folder: &Path) -> Result<RtmrValues> {
        let value = |&rtmr: &u8| {
            let path = folder.join(format!("rtmr{rtmr}:{}", RtmrIndex::BANK));
            let bytes = read_limited::read(&path, VALUE, Kinds::File)?;
            let value = Digest::from_bytes(RtmrIndex::BANK, &bytes).map_err(|error| error.renamed(path.display()))?;
            Ok((rtmr, value))
        };
        if self.values.is_empty() {
            return Err(Error::new("event log", "no event extends an RTMR, so there is nothing to compare"));
        }
        self.values.keys().map(value).collect()
    }

    /// The registers of events that lead to no value, because one of them has no digest of the registers' bank.
    pub(super) fn without_value(&self) -> BTreeSet<u8> {
        let extended = self.log.events().iter().filter_map(ccel::rtmr_of);
        extended.filter(|rtmr| !self.values.contains_key(rtmr)).collect()
    }

    /// The registers that differ, each in words.
    pub(super) fn differences(&self, held: &RtmrValues) -> Vec<String> {
        let different = self.values.iter().filter_map(|(rtmr, replayed)| {
            let held = held.get(rtmr).filter(|held| *held != replayed)?;
            Some(format!("RTMR {rtmr} is {held}, but the log leads to {replayed}"))
        });
        different.collect()
    }

    /// The events as comments, then the values.
    pub(super) fn as_text(&self) -> String {
        let event = |mut text: String, (place, event): (usize, &Event)| {
            let register = match ccel::rtmr_of(event) {
                Some(rtmr) => format!("RTMR {rtmr}"),
                None => "no RTMR".to_owned(),
            };
            let banks = event.banks();
            let standing = event.standing(&banks).name();
            writeln!(text, "# event {}, {register}, {standing}: {}", place + 1, event.describe_in(&banks)).ok();
            text
        };
        self.log.events().iter().enumerate().fold(String::new(), event) + &text(&self.values)
    }

    /// The same as JSON, with the comparison if there was one.
    pub(super) fn as_json(&self, held: Option<&RtmrValues>) -> Value {
        let event = |(place, event): (usize, &Event)| {
            let kind = match &event.content {
                Content::Tcg { kind, .. } => kind.to_string(),
                Content::Json { content_type, .. } => content_type.clone(),
            };
            let banks = event.banks();
            let digests: BTreeMap<_, _> =
                event.digests.iter().map(|(bank, digest)| (bank.name(), digest.to_string())).collect();
            json!({ "event": place + 1, "rtmr": ccel::rtmr_of(event), "type": kind, "digests": digests,
                "words": event.describe_in(&banks), "standing": event.standing(&banks).name() })
        };
        let events: Vec<_> = self.log.events().iter().enumerate().map(event).collect();
        let differences = held.map(|held| self.differences(held));
        json!({ "events": events, "rtmrs": self.values, "agrees": differences.as_ref().map(Vec::is_empty),
            "differences": differences })
    }
}
