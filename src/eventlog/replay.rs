//! The PCRs that a log leads to, and how far it agrees with those of a TPM.

use std::collections::BTreeMap;

use super::event::Event;
use super::log::Log;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The PCR that Linux's integrity measurement extends (kernel, `CONFIG_IMA_MEASURE_PCR_IDX`).
const IMA: u8 = 10;

/// Values of PCRs, by bank.
pub type PcrValues = BTreeMap<Bank, BTreeMap<Pcr, Digest>>;

/// A value of a PCR that the log does not lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The PCR.
    pub pcr: Pcr,
    /// The bank.
    pub bank: Bank,
    /// The value that was to be explained.
    pub held: Digest,
    /// The value at the end of the log, if it has one.
    pub replayed: Option<Digest>,
    /// Where the two part.
    pub parted: Parted,
}

/// Where a PCR and the log part. The numbers are places in [`Log::events`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parted {
    /// No event of the log is about this PCR.
    NoEvent,
    /// This event is about the PCR, and has no digest for the bank.
    NoDigest(usize),
    /// The PCR is as it starts: none of the events happened.
    AtStart,
    /// The PCR is as it was after this event: those behind it did not happen.
    After(usize),
    /// At no place of the log the PCR has this value: an event was changed, left out or added.
    Nowhere,
}

/// What came of holding a log against the values of PCRs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The events that the values prove: places in [`Log::events`]. Only their digests and their order are proven.
    pub proven: Vec<usize>,
    /// The values that the log does not lead to; of a log that is longer than the PCRs' past, too.
    pub differences: Vec<Difference>,
}

impl Log {
    /// The events that extend a PCR, with their places in [`Log::events`].
    pub fn about(&self, pcr: Pcr) -> impl Iterator<Item = (usize, &Event)> {
        self.events().iter().enumerate().filter(move |(_, event)| event.extends() == Some(pcr))
    }

    /// The value of a PCR before its first event: PCR 0 begins with the locality that the TPM was started from (TCG PC
    /// Client Platform Firmware Profile 1.05, section 10.4.5.3).
    #[must_use]
    pub fn start(&self, pcr: Pcr, bank: Bank) -> Digest {
        let zero = pcr.reset_value(bank);
        match self.startup_locality() {
            Some(locality) if pcr.get() == 0 => zero.with_last_byte(locality),
            _ => zero,
        }
    }

    /// The value of a PCR after each event that extends it.
    ///
    /// # Errors
    /// The place of an event that has no digest for the bank.
    pub fn history(&self, pcr: Pcr, bank: Bank) -> std::result::Result<Vec<(usize, Digest)>, usize> {
        let mut value = self.start(pcr, bank);
        let step = |(place, event): (usize, &Event)| {
            value = value.extended(bank, event.digests.get(&bank).ok_or(place)?);
            Ok((place, value.clone()))
        };
        self.about(pcr).map(step).collect()
    }

    /// The value of each PCR that an event extends, in each bank for which all its events have a digest.
    #[must_use]
    pub fn replay(&self) -> PcrValues {
        let mut values = PcrValues::new();
        for bank in Bank::ALL {
            let ends = Pcr::all().filter_map(|pcr| Some((pcr, self.history(pcr, bank).ok()?.pop()?.1)));
            let ends: BTreeMap<_, _> = ends.collect();
            if !ends.is_empty() {
                values.insert(bank, ends);
            }
        }
        values
    }

    /// Holds the log against the values of PCRs. A log may go on behind the values, as one does that was read after them:
    /// that is a difference, and the events up to it are proven all the same. An event that one bank proves and another
    /// does not is not proven.
    #[must_use]
    pub fn compare(&self, held: &PcrValues) -> Compared {
        let mut differences = Vec::new();
        // How many of the PCR's events every bank proves.
        let mut proven: BTreeMap<Pcr, usize> = BTreeMap::new();
        for (&bank, values) in held {
            for (&pcr, value) in values {
                let history = self.history(pcr, bank);
                let (count, parted) = reached(&history, &self.start(pcr, bank), value);
                let least = proven.entry(pcr).or_insert(count);
                *least = count.min(*least);
                if let Some(parted) = parted {
                    let replayed = history.ok().and_then(|mut history| history.pop()).map(|(_, end)| end);
                    differences.push(Difference { pcr, bank, held: value.clone(), replayed, parted });
                }
            }
        }
        let mut proven: Vec<_> =
            proven.iter().flat_map(|(&pcr, &count)| self.about(pcr).take(count).map(|(place, _)| place)).collect();
        proven.sort_unstable();
        differences.sort_by_key(|difference| (difference.pcr, difference.bank));
        Compared { proven, differences }
    }
}

/// How many events of a PCR lead to `held`, and where that is, unless it is the end.
fn reached(
    history: &std::result::Result<Vec<(usize, Digest)>, usize>,
    start: &Digest,
    held: &Digest,
) -> (usize, Option<Parted>) {
    let history = match history {
        Ok(history) => history,
        Err(place) => return (0, Some(Parted::NoDigest(*place))),
    };
    if held == start {
        return (0, (!history.is_empty()).then_some(Parted::AtStart));
    }
    match history.iter().position(|(_, value)| value == held) {
        Some(at) if at + 1 == history.len() => (history.len(), None),
        Some(at) => (at + 1, Some(Parted::After(history[at].0))),
        None if history.is_empty() => (0, Some(Parted::NoEvent)),
        None => (0, Some(Parted::Nowhere)),
    }
}

impl Compared {
    /// Whether the log leads to every value, and ends there.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    /// Says it in words, with those of the log's event where they part.
    #[must_use]
    pub fn words(&self, log: &Log) -> String {
        let event = |place: usize| {
            let words = log.events().get(place).map(Event::words).unwrap_or_default();
            format!("event {} ({words})", place + 1)
        };
        let parted = match self.parted {
            Parted::NoEvent if self.pcr.get() == IMA => {
                "no event is about it: Linux's IMA has a log of its own".to_owned()
            }
            Parted::NoEvent => "no event is about it: give the log that has them, or leave this PCR out".to_owned(),
            Parted::NoDigest(place) => format!("{} has no digest for this bank", event(place)),
            Parted::AtStart => "the PCR is as it starts: none of its events happened".to_owned(),
            Parted::After(place) => format!("they part after {}: the events behind it did not happen", event(place)),
            Parted::Nowhere => {
                "they part before its first event: one of its events was changed, left out or added".to_owned()
            }
        };
        let expected = self.replayed.as_ref().map(|value| format!(", the logs lead to {value}")).unwrap_or_default();
        format!("PCR {}, {}: it is {}{expected}; {parted}", self.pcr, self.bank, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::header::Header;
    use crate::eventlog::{EventType, tcg};
    use crate::hash::digest::digests_of;
    use nix::sys::resource::{UsageWho, getrusage};

    fn pcr(number: u32) -> Pcr {
        Pcr::try_from(number).unwrap()
    }

    /// A log of events, each a PCR, a type and a text.
    fn log(banks: &[Bank], events: &[(u32, EventType, &[u8])]) -> Log {
        let header = Header::of(banks.iter().copied());
        let encode = |(number, kind, text): &(u32, _, &[u8])| {
            tcg::encode(&header, pcr(*number), *kind, &digests_of(banks, text), text)
        };
        tcg::parse(&[header.encode(), events.iter().flat_map(encode).collect()].concat()).unwrap()
    }

    const TAG: EventType = EventType::EVENT_TAG;
    const NO_ACTION: EventType = EventType::NO_ACTION;

    #[test]
    fn pcrs_are_extended_in_order() {
        let log =
            log(&[Bank::Sha256], &[(13, TAG, b"one"), (4, TAG, b"other"), (13, NO_ACTION, b"x"), (13, TAG, b"two")]);
        let values = &log.replay()[&Bank::Sha256];
        let h = |parts: &[&[u8]]| Bank::Sha256.digest(&parts.concat());
        let one = h(&[&[0; 32], h(&[b"one"]).as_bytes()]);
        assert_eq!(values[&pcr(13)], h(&[one.as_bytes(), h(&[b"two"]).as_bytes()]));
        assert_eq!(values.keys().map(|pcr| pcr.get()).collect::<Vec<_>>(), [4, 13]);
    }

    #[test]
    fn pcr_0_begins_with_the_locality() {
        let start = |events: &[_]| log(&[Bank::Sha1], events).start(pcr(0), Bank::Sha1);
        let mut three = [0; 20];
        three[19] = 3;
        assert_eq!(start(&[(0, NO_ACTION, b"StartupLocality\0\x03")]).as_bytes(), three);
        for (number, kind, data) in [
            (0, TAG, b"StartupLocality\0\x03".as_slice()),
            (1, NO_ACTION, b"StartupLocality\0\x03"),
            (0, NO_ACTION, b"StartupLocality\0"),
            (0, NO_ACTION, b"StartupLocality\0\x03\0"),
        ] {
            assert_eq!(start(&[(number, kind, data)]), Digest::zero(Bank::Sha1), "{data:?}");
        }
    }

    #[test]
    fn where_a_log_and_the_pcrs_part() {
        let banks = [Bank::Sha1, Bank::Sha256];
        let events: [(_, _, &[u8]); 4] =
            [(4, TAG, b"firmware"), (13, TAG, b"one"), (13, TAG, b"two"), (13, TAG, b"three")];
        let whole = log(&banks, &events);
        let held = |events: &[_]| log(&banks, events).replay();
        let table = [
            ("the same", held(&events), vec![0, 1, 2, 3], None),
            ("one event less", held(&events[..3]), vec![0, 1, 2], Some(Parted::After(2))),
            (
                "one more",
                held(&[events[0], events[1], events[2], events[3], events[1]]),
                vec![0],
                Some(Parted::Nowhere),
            ),
            ("another order", held(&[events[0], events[2], events[1], events[3]]), vec![0], Some(Parted::Nowhere)),
            ("another event", held(&[events[0], (13, TAG, b"ONE")]), vec![0], Some(Parted::Nowhere)),
            ("another PCR", held(&[events[0], (14, TAG, b"one")]), vec![0], Some(Parted::NoEvent)),
        ];
        for (name, held, proven, parted) in table {
            let compared = whole.compare(&held);
            assert_eq!(compared.proven, proven, "{name}");
            let found: Vec<_> = compared.differences.iter().map(|difference| Some(difference.parted)).collect();
            let wanted = if parted.is_some() { vec![parted; 2] } else { vec![] };
            assert_eq!(found, wanted, "{name}: in each bank");
        }
        let mut zero = PcrValues::new();
        zero.entry(Bank::Sha1).or_default().insert(pcr(13), Digest::zero(Bank::Sha1));
        zero.entry(Bank::Sha1).or_default().insert(pcr(14), Digest::zero(Bank::Sha1));
        let compared = whole.compare(&zero);
        assert_eq!(compared.differences.iter().map(|it| it.parted).collect::<Vec<_>>(), [Parted::AtStart]);
        assert!(compared.proven.is_empty());
    }

    #[test]
    fn what_one_bank_refutes_no_other_proves() {
        let whole = log(&[Bank::Sha1, Bank::Sha256], &[(13, TAG, b"one")]);
        let mut held = whole.replay();
        held.get_mut(&Bank::Sha1).unwrap().insert(pcr(13), Bank::Sha1.digest(b"forged"));
        let compared = whole.compare(&held);
        assert!(compared.proven.is_empty() && !compared.agrees());
        held.remove(&Bank::Sha1);
        assert!(whole.compare(&held).agrees());
        let alone = log(&[Bank::Sha1], &[(13, TAG, b"one")]);
        assert_eq!(alone.compare(&held).differences[0].parted, Parted::NoDigest(0));
        assert_eq!(alone.replay().keys().collect::<Vec<_>>(), [&Bank::Sha1]);
    }

    #[test]
    fn ten_thousand_events_are_replayed_at_once() {
        let events: Vec<_> = (0..10_000_u32).map(|number| (number % 24, TAG, b"event".as_slice())).collect();
        let log = log(&Bank::ALL, &events);
        // The thread's own time: other work of the machine does not count.
        let spent = || getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time().tv_sec();
        let (before, values) = (spent(), log.replay());
        // The benchmark measures what it takes in a release build; this finds that it takes the square of it.
        assert!(spent() - before < 10);
        assert_eq!(values.values().map(BTreeMap::len).sum::<usize>(), 4 * 24);
    }
}
