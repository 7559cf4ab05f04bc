//! Computes the PCR values that a log leads to.

use std::collections::BTreeMap;

use super::event::Event;
use super::log::Log;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// Values of PCRs, by bank.
pub type PcrValues = BTreeMap<Bank, BTreeMap<Pcr, Digest>>;

/// The values of one PCR in one bank while the events of a log extend it.
pub(super) struct History {
    /// The value before the first event.
    pub(super) start: Digest,
    /// The value after each event, with the event's index in [`Log::events`].
    pub(super) steps: Vec<(usize, Digest)>,
}

impl Log {
    /// The events that extend a PCR, with their indexes in [`Log::events`].
    pub(crate) fn events_of(&self, pcr: Pcr) -> impl Iterator<Item = (usize, &Event)> {
        self.events().iter().enumerate().filter(move |(_, event)| event.extends() == Some(pcr))
    }

    /// The value of a PCR before its first event.
    pub(crate) fn start(&self, pcr: Pcr, bank: Bank) -> Digest {
        self.starts.value(pcr, bank)
    }

    /// The value of each PCR that an event extends, in each bank for which all its events have a digest.
    #[must_use]
    pub fn replay(&self) -> PcrValues {
        let mut values = PcrValues::new();
        for bank in Bank::ALL {
            let ends = Pcr::all().filter_map(|pcr| Some((pcr, self.history(pcr, bank).ok()?.steps.pop()?.1)));
            let ends: BTreeMap<_, _> = ends.collect();
            if !ends.is_empty() {
                values.insert(bank, ends);
            }
        }
        values
    }

    /// The value of a PCR after each event that extends it.
    ///
    /// # Errors
    /// The index of an event that has no digest for the bank.
    pub(super) fn history(&self, pcr: Pcr, bank: Bank) -> Result<History, usize> {
        let start = self.start(pcr, bank);
        let mut value = start.clone();
        let step = |(index, event): (usize, &Event)| {
            value = value.extended(bank, event.digest(bank).ok_or(index)?);
            Ok((index, value.clone()))
        };
        let steps = self.events_of(pcr).map(step).collect::<Result<_, usize>>()?;
        Ok(History { start, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of;
    use nix::sys::resource::{UsageWho, getrusage};

    const TAG: EventType = EventType::EVENT_TAG;
    const NO_ACTION: EventType = EventType::NO_ACTION;

    fn pcr(number: u32) -> Pcr {
        Pcr::try_from(number).unwrap()
    }

    #[test]
    fn pcrs_are_extended_in_order() {
        let log =
            log_of(&[Bank::Sha256], &[(13, TAG, b"one"), (4, TAG, b"other"), (13, NO_ACTION, b"x"), (13, TAG, b"two")]);
        let values = &log.replay()[&Bank::Sha256];
        let h = |parts: &[&[u8]]| Bank::Sha256.digest(&parts.concat());
        let one = h(&[&[0; 32], h(&[b"one"]).as_bytes()]);
        assert_eq!(values[&pcr(13)], h(&[one.as_bytes(), h(&[b"two"]).as_bytes()]));
        assert_eq!(values.keys().map(|pcr| pcr.get()).collect::<Vec<_>>(), [4, 13]);
    }

    #[test]
    fn replaying_ten_thousand_events_takes_seconds_at_most() {
        let events: Vec<_> = (0..10_000_u32).map(|number| (number % 24, TAG, b"event".as_slice())).collect();
        let log = log_of(&Bank::ALL, &events);
        // The time of this thread alone, so that other work on the machine does not count.
        let spent = || getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time().tv_sec();
        let (before, values) = (spent(), log.replay());
        // The benchmark measures the time in a release build. This bound only catches a replay that takes quadratic time.
        assert!(spent() - before < 10);
        assert_eq!(values.values().map(BTreeMap::len).sum::<usize>(), 4 * 24);
    }
}
