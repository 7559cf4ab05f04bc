//! How far a log goes on with what is quoted. A log may have been read a while after the quote was made.

use std::collections::BTreeMap;

use super::quote::Quote;
use crate::eventlog::Log;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The most events from the log's beginning that lead to the PCRs whose digest is quoted; `None` when none do.
#[must_use]
pub fn longest(log: &Log, quote: &Quote) -> Option<usize> {
    // Without a value is a PCR of which an event has no digest in the bank.
    let mut values: BTreeMap<(Bank, Pcr), Option<Digest>> =
        quote.selection.iter().map(|(bank, pcr)| ((bank, pcr), Some(log.start(pcr, bank)))).collect();
    let leads = |values: &BTreeMap<(Bank, Pcr), Option<Digest>>| {
        let digest = quote.selection.digest(quote.hash, |bank, pcr| values.get(&(bank, pcr))?.as_ref());
        digest.as_ref() == Some(&quote.digest)
    };
    let mut leading = leads(&values);
    let mut found = leading.then_some(0);
    for (place, event) in log.events().iter().enumerate() {
        let mut changed = false;
        for ((bank, pcr), value) in &mut values {
            if event.extends() == Some(*pcr) {
                *value =
                    value.as_ref().zip(event.digests.get(bank)).map(|(value, digest)| value.extended(*bank, digest));
                changed = true;
            }
        }
        // The digest is computed again only where it can be another.
        leading = if changed { leads(&values) } else { leading };
        if leading {
            found = Some(place + 1);
        }
    }
    found
}
