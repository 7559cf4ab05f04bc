//! Compares the PCR values that a log leads to with those of a TPM.

use std::collections::BTreeMap;

use super::log::Log;
use super::replay::{History, PcrValues};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The result of comparing a log with the values of PCRs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The events that the values prove: sorted indexes in [`Log::events`]. Only their digests and their order are proven.
    pub proven: Vec<usize>,
    /// The values that are not the log's last ones, sorted by PCR and bank.
    pub(crate) differences: Vec<Difference>,
}

/// A PCR value that is not the log's last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The PCR.
    pub(crate) pcr: Pcr,
    /// The bank.
    pub(crate) bank: Bank,
    /// The value in the TPM.
    pub(crate) held: Digest,
    /// The value after the log's last event, if the log gives one.
    pub(crate) replayed: Option<Digest>,
    /// Where the TPM and the log diverge.
    pub(crate) divergence: Divergence,
}

/// Where a PCR diverges from the log. The numbers are indexes in [`Log::events`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divergence {
    /// No event of the log extends this PCR.
    NoEvent,
    /// This event extends the PCR, but has no digest for the bank.
    NoDigest(usize),
    /// The PCR has its start value: none of its events happened.
    AtStart,
    /// The PCR has the value that it has after this event: the later ones did not happen.
    After(usize),
    /// The log never gives the PCR this value: an event was changed, left out or added.
    Nowhere,
}

impl Log {
    /// Compares the log with the values of PCRs. If the log was read after the values, it may have later events. Then the
    /// values differ, but the earlier events are proven all the same. If one bank proves an event and another does not, the
    /// event is not proven.
    #[must_use]
    pub fn compare(&self, held: &PcrValues) -> Comparison {
        let mut differences = Vec::new();
        // How many events of a PCR all of its banks prove.
        let mut proven: BTreeMap<Pcr, usize> = BTreeMap::new();
        for (&bank, values) in held {
            for (&pcr, value) in values {
                let history = self.history(pcr, bank);
                let (count, divergence) = match &history {
                    Ok(history) => find(history, value),
                    Err(index) => (0, Some(Divergence::NoDigest(*index))),
                };
                let least = proven.entry(pcr).or_insert(count);
                *least = count.min(*least);
                if let Some(divergence) = divergence {
                    let replayed = history.ok().and_then(|mut history| history.steps.pop()).map(|(_, end)| end);
                    differences.push(Difference { pcr, bank, held: value.clone(), replayed, divergence });
                }
            }
        }
        let mut proven: Vec<_> =
            proven.iter().flat_map(|(&pcr, &count)| self.events_of(pcr).take(count).map(|(index, _)| index)).collect();
        proven.sort_unstable();
        differences.sort_by_key(|difference| (difference.pcr, difference.bank));
        Comparison { proven, differences }
    }
}

/// How many events of a PCR lead to the value `held`, and how it diverges from the log's last value.
fn find(History { start, steps }: &History, held: &Digest) -> (usize, Option<Divergence>) {
    if held == start {
        return (0, (!steps.is_empty()).then_some(Divergence::AtStart));
    }
    match steps.iter().position(|(_, value)| value == held) {
        Some(at) if at + 1 == steps.len() => (steps.len(), None),
        Some(at) => (at + 1, Some(Divergence::After(steps[at].0))),
        None if steps.is_empty() => (0, Some(Divergence::NoEvent)),
        None => (0, Some(Divergence::Nowhere)),
    }
}

impl Comparison {
    /// Whether every value is the log's last one.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of as log;

    const TAG: EventType = EventType::EVENT_TAG;

    fn pcr(number: u32) -> Pcr {
        Pcr::try_from(number).unwrap()
    }

    #[test]
    fn a_comparison_finds_where_the_pcrs_and_the_log_diverge() {
        let banks = [Bank::Sha1, Bank::Sha256];
        let events: [(_, _, &[u8]); 4] =
            [(4, TAG, b"firmware"), (13, TAG, b"one"), (13, TAG, b"two"), (13, TAG, b"three")];
        let whole = log(&banks, &events);
        let held = |events: &[_]| log(&banks, events).replay();
        let table = [
            ("the same", held(&events), vec![0, 1, 2, 3], None),
            ("one event less", held(&events[..3]), vec![0, 1, 2], Some(Divergence::After(2))),
            (
                "one more",
                held(&[events[0], events[1], events[2], events[3], events[1]]),
                vec![0],
                Some(Divergence::Nowhere),
            ),
            ("another order", held(&[events[0], events[2], events[1], events[3]]), vec![0], Some(Divergence::Nowhere)),
            ("another event", held(&[events[0], (13, TAG, b"ONE")]), vec![0], Some(Divergence::Nowhere)),
            ("another PCR", held(&[events[0], (14, TAG, b"one")]), vec![0], Some(Divergence::NoEvent)),
        ];
        for (name, held, proven, divergence) in table {
            let compared = whole.compare(&held);
            assert_eq!(compared.proven, proven, "{name}");
            let found: Vec<_> = compared.differences.iter().map(|difference| Some(difference.divergence)).collect();
            let wanted = if divergence.is_some() { vec![divergence; 2] } else { vec![] };
            assert_eq!(found, wanted, "{name}: in each bank");
        }
        let mut zero = PcrValues::new();
        zero.entry(Bank::Sha1).or_default().insert(pcr(13), Digest::zero(Bank::Sha1));
        zero.entry(Bank::Sha1).or_default().insert(pcr(14), Digest::zero(Bank::Sha1));
        let compared = whole.compare(&zero);
        assert_eq!(compared.differences.iter().map(|it| it.divergence).collect::<Vec<_>>(), [Divergence::AtStart]);
        assert!(compared.proven.is_empty());
    }

    #[test]
    fn an_event_is_proven_only_if_every_bank_proves_it() {
        let whole = log(&[Bank::Sha1, Bank::Sha256], &[(13, TAG, b"one")]);
        let mut held = whole.replay();
        held.get_mut(&Bank::Sha1).unwrap().insert(pcr(13), Bank::Sha1.digest(b"forged"));
        let compared = whole.compare(&held);
        assert!(compared.proven.is_empty() && !compared.agrees());
        held.remove(&Bank::Sha1);
        assert!(whole.compare(&held).agrees());
        let alone = log(&[Bank::Sha1], &[(13, TAG, b"one")]);
        assert_eq!(alone.compare(&held).differences[0].divergence, Divergence::NoDigest(0));
        assert_eq!(alone.replay().keys().collect::<Vec<_>>(), [&Bank::Sha1]);
    }
}
