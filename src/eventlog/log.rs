//! A log as a parser read it.

use super::claim::Claim;
use super::event::Event;
use crate::error::{Error, Result};

/// How many of our events [`Log::join`] looks for in the next log. A boot has two or three; a hostile log with many would
/// make the search slow.
const MOST_OF_OURS: usize = 16;

/// Events in the order in which the log claims that they happened. No event can be added to a log; whole logs can be joined.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    events: Vec<Event>,
    locality: Option<u8>,
}

impl Log {
    /// The log with the events that a parser read.
    ///
    /// # Errors
    /// If two events name the locality from which the TPM was started.
    pub(super) fn new(events: Vec<Event>) -> Result<Self> {
        let mut localities = events.iter().filter_map(Event::startup_locality);
        let locality = localities.next();
        if localities.next().is_some() {
            return Err(Error::new("event log", "two events name the locality from which the TPM was started"));
        }
        drop(localities);
        Ok(Self { events, locality })
    }

    /// The locality from which the TPM was started, if the log names it.
    pub(crate) fn startup_locality(&self) -> Option<u8> {
        self.locality
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
    /// If two parts name the locality from which the TPM was started.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Result<Self> {
        let mut events: Vec<Event> = Vec::new();
        for part in parts {
            let ours = events.iter().filter(|event| Claim::of(event).is_some());
            let mut known: Vec<_> = ours.take(MOST_OF_OURS).cloned().collect();
            for event in part.events {
                match known.iter().position(|known| same(known, &event)) {
                    Some(at) => drop(known.swap_remove(at)),
                    None => events.push(event),
                }
            }
        }
        Self::new(events)
    }
}

/// Whether two events from different logs are the same event of ours. One log may have fewer banks than the other.
fn same(one: &Event, other: &Event) -> bool {
    let common: Vec<_> =
        one.digests.iter().filter_map(|(bank, digest)| Some((digest, other.digests.get(bank)?))).collect();
    let digests = !common.is_empty() && common.iter().all(|(one, other)| one == other);
    digests && one.pcr == other.pcr && Claim::of(one) == Claim::of(other)
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
        let joined = Log::join(parts).unwrap();
        let texts: Vec<_> = joined.events().iter().map(|event| event.digests[&Bank::Sha256].clone()).collect();
        let wanted = ["firmware", "image", "image", "other", "firmware"];
        assert_eq!(texts, wanted.map(|text| Bank::Sha256.digest(text.as_bytes())));
    }
}
