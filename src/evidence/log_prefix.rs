//! The part of a log that a quote proves. A log that was read after the quote may have later events.

use std::collections::BTreeMap;

use super::quote::Quote;
use crate::eventlog::Log;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The length of the longest prefix of the log that leads to the quoted digest, in events. `None` if no prefix does.
pub(super) fn longest(log: &Log, quote: &Quote) -> Option<usize> {
    // A PCR has no value once an event that extends it has no digest for the bank.
    let mut values: BTreeMap<(Bank, Pcr), Option<Digest>> =
        quote.selection.iter().map(|(bank, pcr)| ((bank, pcr), Some(log.start(pcr, bank)))).collect();
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
                *value =
                    value.as_ref().zip(event.digests.get(bank)).map(|(value, digest)| value.extended(*bank, digest));
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
