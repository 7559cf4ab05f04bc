//! What is measured before the agent, written in each output format.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use super::boot::Boot;
use super::boot_report::BootReport;
use super::chain_text;
use super::format::Format;
use super::rvps;
use super::start::Start;
use super::subject::Subject;
use crate::cli::json;
use crate::error::{Error, Result};
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

/// Checks that a format can express several values of a PCR.
///
/// # Errors
/// If it cannot.
pub(super) fn check_format(format: Option<Format>) -> Result<()> {
    match format {
        None | Some(Format::Json | Format::Keylime | Format::Rvps | Format::InToto) => Ok(()),
        Some(_) => Err(inexpressible()),
    }
}

fn inexpressible() -> Error {
    Error::new("--format", "cannot express what is measured before the agent: a PCR has several values there")
        .hint("use json, keylime, rvps or in-toto, or no --format")
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
            Some(Format::Keylime) => Ok(format!("{}\n", json!(self.values()))),
            Some(Format::Rvps) => {
                rvps::message(&self.values().into_iter().map(|(pcr, values)| (rvps::pcr_name(pcr), values)).collect())
            }
            Some(_) => Err(inexpressible()),
            None => Ok(chain_text::words(self.start, self.boots())),
        }
    }

    /// The acceptable values of each PCR, in each bank that the verifier may ask for. A PCR must follow for every entry of the menu:
    /// else a boot of one whose values are not known would be refused.
    fn values(&self) -> BTreeMap<u8, Vec<String>> {
        // The formats for other programs have no place for it.
        let unmeasured: BTreeSet<_> = self.boots().iter().flat_map(|boot| boot.unmeasured).collect();
        for what in unmeasured {
            log::warn!("not measured: {what}");
        }
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
        all
    }
}
