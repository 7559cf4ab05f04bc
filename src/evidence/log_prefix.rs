//! The part of a log that a quote proves. A log that was read after the quote may have later events.
//!
//! A quoted PCR need not have a log: Linux's IMA extends PCR 10 and keeps its own. If its value was sent with the quote, the quote
//! proves the value, and the other PCRs can be judged by their logs.

use std::collections::BTreeMap;

use super::quote::Quote;
use crate::eventlog::{Log, PcrValues};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The quoted values of the PCRs that no event of the log extends, although they do not have their start values. `values` are
/// those that were sent with the quote and were checked against it. The log must have the events of `pcr`.
pub(super) fn unlogged(log: &Log, values: &PcrValues, pcr: Pcr) -> PcrValues {
    let mut unlogged = PcrValues::new();
    for (&bank, values) in values {
        let has_no_log = |(other, value): &(&Pcr, &Digest)| {
            **other != pcr && log.events_of(**other).next().is_none() && **value != log.start(**other, bank)
        };
        let values: BTreeMap<_, _> =
            values.iter().filter(has_no_log).map(|(&pcr, value)| (pcr, value.clone())).collect();
        if !values.is_empty() {
            unlogged.insert(bank, values);
        }
    }
    unlogged
}

/// The length of the longest prefix of the log that leads to the quoted digest, in events. `None` if no prefix does. PCRs in
/// `unlogged` have their values there from the start.
pub(super) fn longest(log: &Log, quote: &Quote, unlogged: &PcrValues) -> Option<usize> {
    let start = |bank, pcr| {
        let held = unlogged.get(&bank).and_then(|values| values.get(&pcr));
        held.cloned().unwrap_or_else(|| log.start(pcr, bank))
    };
    // A PCR has no value once an event that extends it has no digest for the bank.
    let mut values: BTreeMap<(Bank, Pcr), Option<Digest>> =
        quote.selection.iter().map(|(bank, pcr)| ((bank, pcr), Some(start(bank, pcr)))).collect();
    let leads = |values: &BTreeMap<(Bank, Pcr), Option<Digest>>| {
        let digest = quote.selection.digest(quote.hash, |bank, pcr| values.get(&(bank, pcr))?.as_ref());
        digest.as_ref() == Some(&quote.digest)
    };
    let mut leading = leads(&values);
    let mut found = leading.then_some(0);
    for (index, event) in log.events().iter().enumerate() {
        let mut changed = false;
        for ((bank, pcr), value) in &mut values {
            if event.extends() == Some(*pcr) {
                *value = value.as_ref().zip(event.digest(*bank)).map(|(value, digest)| value.extended(*bank, digest));
                changed = true;
            }
        }
        // Only an event that extends a quoted PCR can change the digest.
        leading = if changed { leads(&values) } else { leading };
        if leading {
            found = Some(index + 1);
        }
    }
    found
}
