//! The replay of the log of a confidential virtual machine: the RTMRs that it leads to, compared with those of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::input_file::Kinds;
use super::{json, read_limited};
use crate::error::{Error, Result};
use crate::eventlog::ccel;
use crate::eventlog::compare::{Comparison, Difference};
use crate::eventlog::event::Content;
use crate::eventlog::{Event, Log, PcrValues};
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;
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

/// What `replay --json` prints, in the order of its fields' names.
#[derive(Serialize)]
struct Replayed<'a, Events> {
    agrees: Option<bool>,
    differences: Option<Vec<String>>,
    events: Events,
    rtmrs: &'a RtmrValues,
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

    /// The values that this folder of sysfs has, of each register that the log has an event for. A register that was used, and that the
    /// log has no event for, is said.
    pub(super) fn held(&self, folder: &Path) -> Result<RtmrValues> {
        if self.values.is_empty() {
            return Err(Error::new("event log", "no event extends an RTMR, so there is nothing to compare"));
        }
        for rtmr in (0..RtmrIndex::COUNT).filter(|rtmr| !self.values.contains_key(rtmr)) {
            // A folder may have the registers of the log alone.
            if held_by(folder, rtmr).is_ok_and(|value| value != Digest::zero(RtmrIndex::BANK)) {
                log::warn!("RTMR {rtmr} is not zeros, but the log has no event of it: it is not compared");
            }
        }
        self.values.keys().map(|&rtmr| Ok((rtmr, held_by(folder, rtmr)?))).collect()
    }

    /// The registers of events that lead to no value, because one of them has no digest of the registers' bank.
    pub(super) fn without_value(&self) -> BTreeSet<u8> {
        let extended = self.log.events().iter().filter_map(ccel::rtmr_of);
        extended.filter(|rtmr| !self.values.contains_key(rtmr)).collect()
    }

    /// Compares the log with these values. The log counts the registers from 1.
    pub(super) fn compare(&self, held: &RtmrValues) -> Comparison {
        let register = |(&rtmr, value): (&u8, &Digest)| Some((Pcr::try_from(u32::from(rtmr) + 1).ok()?, value.clone()));
        self.log.compare(&PcrValues::from([(RtmrIndex::BANK, held.iter().filter_map(register).collect())]))
    }

    /// The registers that differ, each in words.
    pub(super) fn differences(&self, compared: &Comparison) -> Vec<String> {
        let words = |difference: &Difference| {
            let rtmr = difference.pcr.get().saturating_sub(1);
            difference.describe_as(&format!("RTMR {rtmr}"), &self.log)
        };
        compared.differences.iter().map(words).collect()
    }

    /// Writes the events as comments, then the values.
    pub(super) fn write_text(&self, output: &mut dyn Write) -> io::Result<()> {
        for (place, event) in self.log.events().iter().enumerate() {
            let register = match ccel::rtmr_of(event) {
                Some(rtmr) => format!("RTMR {rtmr}"),
                None => "no RTMR".to_owned(),
            };
            let banks = event.banks();
            let standing = event.standing(&banks).name();
            writeln!(output, "# event {}, {register}, {standing}: {}", place + 1, event.describe_in(&banks))?;
        }
        output.write_all(text(&self.values).as_bytes())
    }

    /// The same as JSON, with the comparison if there was one.
    pub(super) fn as_json(&self, compared: Option<&Comparison>) -> impl Serialize {
        let event = move |(place, event): (usize, &Event)| {
            let kind = match &event.content {
                Content::Tcg { kind, .. } => kind.to_string(),
                Content::Json { content_type, .. } => content_type.clone(),
            };
            let banks = event.banks();
            let digests: BTreeMap<_, _> =
                event.digests.iter().map(|(bank, digest)| (bank.name(), digest.to_string())).collect();
            json!({ "event": place + 1, "rtmr": ccel::rtmr_of(event), "type": kind, "digests": digests,
                "words": event.describe_in(&banks), "standing": event.standing(&banks).name(),
                "proven": compared.map(|compared| compared.proven.binary_search(&place).is_ok()) })
        };
        let events = json::Items(move || self.log.events().iter().enumerate().map(event));
        let differences = compared.map(|compared| self.differences(compared));
        Replayed { agrees: differences.as_ref().map(Vec::is_empty), differences, events, rtmrs: &self.values }
    }
}

/// The value of a register in a folder of sysfs.
fn held_by(folder: &Path, rtmr: u8) -> Result<Digest> {
    let path = folder.join(format!("rtmr{rtmr}:{}", RtmrIndex::BANK));
    let bytes = read_limited::read(&path, VALUE, Kinds::File).map_err(|error| {
        if folder.exists() {
            error
        } else {
            error.hint("is the folder named rightly? A TDX guest with Linux 6.16 or newer has one")
        }
    })?;
    Digest::from_bytes(RtmrIndex::BANK, &bytes).map_err(|error| error.renamed(path.display()))
}
