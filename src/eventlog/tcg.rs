//! The TCG's crypto-agile event log (TCG PC Client Platform Firmware Profile 1.05, section 10.2): the header, then events
//! with a digest for each hash that the header lists.

use super::bytes::Bytes;
use super::event::{Content, Event};
use super::event_type::EventType;
use super::header::{Header, push_counted, push_u32};
use super::log::Log;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// An event as `TCG_PCR_EVENT2`, with exactly the hashes of the log's header. A hash that the header lists and no PCR of
/// this TPM has gets zeros: nothing was extended there.
#[must_use]
pub fn encode(header: &Header, pcr: Pcr, kind: EventType, digests: &Digests, data: &[u8]) -> Vec<u8> {
    let mut event = u32::from(pcr.get()).to_le_bytes().to_vec();
    event.extend(kind.0.to_le_bytes());
    push_u32(&mut event, header.algorithms().len());
    for algorithm in header.algorithms() {
        event.extend(algorithm.id.to_le_bytes());
        let end = event.len() + usize::from(algorithm.size);
        if let Some(digest) = Bank::of_algorithm(algorithm.id).and_then(|bank| digests.get(&bank)) {
            event.extend(digest.as_bytes());
        }
        event.resize(end, 0);
    }
    push_counted(&mut event, data);
    event
}

/// Reads a whole log. An event may lack a hash of the header, as some firmware's do; it must not have another.
///
/// # Errors
/// When anything in it is malformed.
pub fn parse(log: &[u8]) -> Result<Log> {
    let mut bytes = Bytes::new(log);
    let header = Header::take(&mut bytes)?;
    let mut events = Vec::new();
    while !bytes.is_empty() {
        events.push(event(&mut bytes, &header)?);
    }
    Log::new(events)
}

fn event(bytes: &mut Bytes, header: &Header) -> Result<Event> {
    let start = bytes.clone();
    let (pcr, kind) = (bytes.u32()?, EventType(bytes.u32()?));
    let count = bytes.u32()?;
    if count == 0 || count as usize > header.algorithms().len() {
        let most = header.algorithms().len();
        return Err(start.error(format!("an event with {count} digests, where the header lists {most} hashes")));
    }
    let (mut seen, mut digests) = (Vec::new(), Digests::new());
    for _ in 0..count {
        let id = bytes.u16()?;
        let listed = header.algorithms().iter().find(|algorithm| algorithm.id == id);
        let Some(algorithm) = listed.filter(|_| !seen.contains(&id)) else {
            let times = if seen.contains(&id) { "twice" } else { "that the header does not list" };
            return Err(start.error(format!("an event has hash {id:#06x} {times}")));
        };
        seen.push(id);
        let digest = bytes.take(usize::from(algorithm.size))?;
        if let Some(bank) = Bank::of_algorithm(id) {
            digests.insert(bank, Digest::from_bytes(bank, digest)?);
        }
    }
    let data = bytes.counted()?.to_vec();
    let pcr = match Pcr::try_from(pcr) {
        Ok(pcr) => Some(pcr),
        // What extends nothing may name no PCR.
        Err(_) if kind == EventType::NO_ACTION => None,
        Err(_) => return Err(start.error(format!("an event extends PCR {pcr}, which no TPM has"))),
    };
    Ok(Event { pcr, digests, content: Content::Tcg { kind, data } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;

    const BANKS: [Bank; 2] = [Bank::Sha1, Bank::Sha256];

    fn log(header: &Header, kind: EventType) -> Vec<u8> {
        let pcr = Pcr::try_from(13).unwrap();
        let event = |text: &[u8]| encode(header, pcr, kind, &digests_of(&BANKS, text), text);
        [header.encode(), event(b"one"), event(b"")].concat()
    }

    #[test]
    fn a_log_reads_back() {
        let header = Header::of(BANKS.into_iter());
        let read = parse(&log(&header, EventType::EVENT_TAG)).unwrap();
        let content = Content::Tcg { kind: EventType::EVENT_TAG, data: b"one".to_vec() };
        assert_eq!(read.events().len(), 2);
        let event = &read.events()[0];
        assert_eq!((&event.digests, &event.content), (&digests_of(&BANKS, b"one"), &content));
        assert_eq!(event.extends().map(Pcr::get), Some(13));
        let read = parse(&log(&header, EventType::NO_ACTION)).unwrap();
        assert_eq!(read.events()[0].extends(), None);
    }

    #[test]
    fn an_event_has_exactly_the_hashes_of_the_header() {
        let of = |banks: &[Bank]| parse(&log(&Header::of(banks.iter().copied()), EventType::EVENT_TAG)).unwrap();
        assert_eq!(of(&[Bank::Sha256]).events()[0].digests, digests_of(&[Bank::Sha256], b"one"));
        assert_eq!(of(&Bank::ALL).events()[0].digests[&Bank::Sha512], Digest::zero(Bank::Sha512));
    }

    #[test]
    fn a_log_that_was_cut_or_changed_is_refused() {
        let header = Header::of(BANKS.into_iter());
        let good = log(&header, EventType::EVENT_TAG);
        let first = header.encode().len();
        let second = good.len() - (12 + 2 + 20 + 2 + 32 + 4);
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]).is_ok(), length == first || length == second, "{length}");
        }
        // The first event: PCR 0-3, type 4-7, count 8-11, first hash 12-13, second hash 34-35, length of the data 68-71.
        let changes: [(&str, usize, &[u8]); 7] = [
            ("no such PCR", 0, &[24]),
            ("no digest", 8, &[0]),
            ("a digest more", 8, &[3]),
            ("digests without end", 8, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("a hash that is not listed", 12, &[0x0C]),
            ("a hash twice", 34, &[0x04]),
            ("data without end", 68, &[0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (name, at, bytes) in changes {
            let mut log = good.clone();
            log[first + at..first + at + bytes.len()].copy_from_slice(bytes);
            assert!(parse(&log).is_err(), "{name}");
        }
    }
}
