//! A log as a parser read it.

use super::claim::Claim;
use super::event::Event;
use super::starts::Starts;
use crate::error::Result;

/// How many of our events [`Log::join`] looks for in the next log. A boot has two or three; a hostile log with many would
/// make the search slow.
const MOST_OF_OURS: usize = 16;

/// Events in the order in which the log claims that they happened. No event can be added to a log; whole logs can be joined.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    events: Vec<Event>,
    /// What the first events say about the values with which PCRs start.
    pub(super) starts: Starts,
    notes: Vec<String>,
}

impl Log {
    /// The log with the events that a parser read.
    ///
    /// # Errors
    /// If two events name different localities from which the TPM was started.
    pub(super) fn new(events: Vec<Event>) -> Result<Self> {
        Ok(Self { starts: Starts::of(&events)?, events, notes: Vec::new() })
    }

    /// The log with a note for the reader about its file.
    pub(super) fn noted(mut self, note: impl Into<Option<String>>) -> Self {
        self.notes.extend(note.into());
        self
    }

    /// The notes that the reader of the file made.
    pub(super) fn own_notes(&self) -> &[String] {
        &self.notes
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Joins the parts of one boot's log, in order. measureroot writes each of its events into several logs; an event that an
    /// earlier part has counts once.
    ///
    /// # Errors
    /// If two parts name different localities from which the TPM was started.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Result<Self> {
        let (mut events, mut notes): (Vec<Event>, Vec<String>) = (Vec::new(), Vec::new());
        for part in parts {
            notes.extend(part.notes);
            let is_ours = |(_, event): &(usize, &Event)| Claim::of(event).is_some();
            let ours = events.iter().enumerate().filter(is_ours).map(|(index, _)| index);
            let mut known: Vec<_> = ours.take(MOST_OF_OURS).collect();
            for event in part.events {
                match known.iter().position(|&index| same(&events[index], &event)) {
                    Some(at) => complete(&mut events[known.swap_remove(at)], &event),
                    None => events.push(event),
                }
            }
        }
        Ok(Self { notes, ..Self::new(events)? })
    }
}

/// Whether two events from different logs are the same event of ours. One log may have fewer banks than the other: a log that
/// the firmware began has the hashes of its header, and zeros for those that the TPM has no active bank of.
fn same(one: &Event, other: &Event) -> bool {
    let (banks, others) = (one.banks(), other.banks());
    let mut common = banks.iter().filter(|bank| others.contains(bank)).peekable();
    let none = |event: &Event| event.digests.values().all(|digest| digest.as_bytes().iter().all(|&byte| byte == 0));
    (common.peek().is_some() || none(one) || none(other))
        && common.all(|bank| one.digests.get(bank) == other.digests.get(bank))
        && one.pcr == other.pcr
        && Claim::of(one) == Claim::of(other)
}

/// Adds the digests that only the other log has. Those that both have are equal: see [`same`].
fn complete(event: &mut Event, other: &Event) {
    for bank in other.banks() {
        event.digests.extend(other.digests.get_key_value(&bank).map(|(&bank, digest)| (bank, digest.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::header::Header;
    use crate::eventlog::{EventType, tcg};
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::Pcr;

    fn log(banks: &[Bank], events: &[(&[u8], Option<Claim>)]) -> Log {
        let header = Header::of(banks.iter().copied());
        let pcr = Pcr::try_from(13).unwrap();
        let mut bytes = header.encode();
        for (text, claim) in events {
            let data = claim.as_ref().map_or(Ok(text.to_vec()), Claim::tagged).unwrap();
            bytes.extend(tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests_of(banks, text), &data));
        }
        tcg::parse(&bytes).unwrap()
    }

    #[test]
    fn an_event_of_ours_in_two_logs_counts_once() {
        let ours = |text: &'static [u8]| (text, Some(Claim::unmeasured()));
        let parts = [
            log(&[Bank::Sha256], &[(b"firmware", None), ours(b"image")]),
            log(&Bank::ALL, &[ours(b"image"), ours(b"image"), ours(b"other"), (b"firmware", None)]),
        ];
        let [first, second] = parts;
        let joined = Log::join([first.noted("a note".to_owned()), second]).unwrap();
        assert_eq!(joined.own_notes(), ["a note"]);
        let texts: Vec<_> = joined.events().iter().map(|event| event.digests[&Bank::Sha256].clone()).collect();
        let wanted = ["firmware", "image", "image", "other", "firmware"];
        assert_eq!(texts, wanted.map(|text| Bank::Sha256.digest(text.as_bytes())));
    }

    /// A log with one event of ours, which has the hashes of `header` and the digests of `banks`.
    fn one(header: &[Bank], banks: &[Bank], (pcr, text, claim): (u32, &str, &Claim)) -> Log {
        let header = Header::of(header.iter().copied());
        let (pcr, data) = (Pcr::try_from(pcr).unwrap(), claim.tagged().unwrap());
        let event = tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests_of(banks, text.as_bytes()), &data);
        tcg::parse(&[header.encode(), event].concat()).unwrap()
    }

    #[test]
    fn only_the_same_event_counts_once() {
        let claim = Claim::unmeasured();
        let (few, all) = (&[Bank::Sha256][..], &Bank::ALL[..]);
        for (other, count) in [
            ((13, "image", &claim), 1),
            ((13, "other", &claim), 2),
            ((14, "image", &claim), 2),
            ((13, "image", &Claim::failed()), 2),
        ] {
            let joined = Log::join([one(few, few, (13, "image", &claim)), one(all, all, other)]).unwrap();
            assert_eq!(joined.events().len(), count, "{other:?}");
        }
    }

    #[test]
    fn an_event_without_a_bank_in_common_is_the_same_only_if_one_has_zeros_alone() {
        let ours = (13, "image", &Claim::unmeasured());
        let (sha256, sha384) = (&[Bank::Sha256][..], &[Bank::Sha384][..]);
        let (zeros, real) = (one(sha256, sha384, ours), one(sha384, sha384, ours));
        for parts in [[zeros.clone(), real.clone()], [real.clone(), zeros]] {
            let joined = Log::join(parts).unwrap();
            assert_eq!(joined.events().len(), 1);
            assert_eq!(joined.events()[0].digest(Bank::Sha384), Some(&Bank::Sha384.digest(b"image")));
        }
        assert_eq!(Log::join([one(sha256, sha256, ours), real]).unwrap().events().len(), 2);
    }
}
