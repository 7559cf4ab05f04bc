//! The TCG's crypto-agile event log (TCG PC Client Platform Firmware Profile 1.05, section 10.2): a header, then events with
//! one digest for each hash algorithm that the header lists.

use std::collections::BTreeMap;

use super::event::{Content, Event};
use super::event_type::EventType;
use super::hash_name::HashName;
use super::header::{Header, push_counted, push_u32};
use super::log::Log;
use super::padding;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// Encodes an event as `TCG_PCR_EVENT2`, with exactly the hash algorithms of the log's header. If `digests` lacks one of
/// them, the TPM has no active bank for it and nothing was extended: its digest is zeros.
#[must_use]
pub fn encode(header: &Header, pcr: Pcr, kind: EventType, digests: &Digests, data: &[u8]) -> Vec<u8> {
    encode_register(header, pcr.get().into(), kind, digests, data)
}

/// The same for the register of this number.
pub(super) fn encode_register(
    header: &Header,
    register: u32,
    kind: EventType,
    digests: &Digests,
    data: &[u8],
) -> Vec<u8> {
    let mut event = register.to_le_bytes().to_vec();
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

/// Reads a whole log. An event may lack a digest for a hash algorithm of the header, as some firmware's events do. It must
/// not have a digest for another algorithm.
///
/// # Errors
/// If any part of the log is malformed.
pub fn parse(log: &[u8]) -> Result<Log> {
    let mut cursor = Cursor::new("event log", log);
    let header = Header::read(&mut cursor)?;
    let mut events = Vec::new();
    let mut padding = None;
    while !cursor.is_empty() && padding.is_none() {
        padding = padding::note(&cursor);
        if padding.is_none() {
            events.push(event(&mut cursor, &header)?);
        }
    }
    let empty = events.is_empty().then(|| "has a header, but no event".to_owned());
    Ok(Log::new(events)?.noted(padding).noted(empty))
}

fn event(cursor: &mut Cursor, header: &Header) -> Result<Event> {
    let start = cursor.clone();
    let (pcr, kind) = (cursor.u32_le()?, EventType(cursor.u32_le()?));
    let count = cursor.u32_le()?;
    if count == 0 || count as usize > header.algorithms().len() {
        let most = header.algorithms().len();
        let cause = format!("an event has {count} digests; the header allows 1 to {most}");
        return Err(start.error_here(cause));
    }
    let (mut seen, mut digests, mut others) = (Vec::new(), Digests::new(), BTreeMap::new());
    for _ in 0..count {
        let id = cursor.u16_le()?;
        let listed = header.algorithms().iter().find(|algorithm| algorithm.id == id);
        let Some(algorithm) = listed.filter(|_| !seen.contains(&id)) else {
            let fault = if seen.contains(&id) { "two digests of hash" } else { "a digest of the unlisted hash" };
            return Err(start.error_here(format_args!("an event has {fault} {id:#06x}")));
        };
        seen.push(id);
        let digest = cursor.take(usize::from(algorithm.size))?;
        match HashName::of_algorithm(id) {
            HashName::Known(bank) => drop(digests.insert(bank, Digest::from_bytes(bank, digest)?)),
            HashName::Other(name) => drop(others.insert(name, digest.to_vec())),
        }
    }
    let data = cursor.counted_u32_le()?.to_vec();
    Ok(Event::of_pcr(pcr.into(), digests, others, Content::Tcg { kind, data }))
}

/// A log of events, each with its PCR, its type, and a text that is both measured and the event data.
#[cfg(test)]
pub(crate) fn log_of(banks: &[Bank], events: &[(u32, EventType, &[u8])]) -> Log {
    let header = Header::of(banks.iter().copied());
    let encode = |(pcr, kind, text): &(u32, _, &[u8])| {
        encode(&header, Pcr::try_from(*pcr).unwrap(), *kind, &crate::hash::digest::digests_of(banks, text), text)
    };
    parse(&[header.encode(), events.iter().flat_map(encode).collect()].concat()).unwrap()
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
    fn an_encoded_log_reads_back() {
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
    fn an_event_of_a_pcr_that_no_tpm_has_extends_nothing() {
        let header = Header::of(BANKS.into_iter());
        let good = log(&header, EventType::EVENT_TAG);
        let at = header.encode().len();
        for pcr in [24, 25, u32::MAX] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&pcr.to_le_bytes());
            let read = parse(&bytes).unwrap();
            let [wrong, right] = read.events() else { panic!("{pcr}") };
            assert_eq!((wrong.extends(), wrong.no_pcr, right.no_pcr), (None, Some(pcr.into()), None));
            let value = Digest::zero(Bank::Sha256).extended(Bank::Sha256, &Bank::Sha256.digest(b""));
            let values: Vec<_> = read.replay().remove(&Bank::Sha256).unwrap().into_iter().collect();
            assert_eq!(values, [(Pcr::try_from(13).unwrap(), value)]);
            let note = format!("has events of PCRs that no TPM has ({pcr}): they extend nothing, and are not judged");
            assert_eq!(read.notes(), [note]);
        }
        let mut silent = log(&header, EventType::NO_ACTION);
        silent[at] = 24;
        assert!(parse(&silent).unwrap().notes().is_empty(), "an event that extends nothing need not name a PCR");
    }

    #[test]
    fn an_encoded_event_has_exactly_the_hashes_of_the_header() {
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
        // Bytes of the first event: PCR 0-3, type 4-7, count of digests 8-11, first hash 12-13, second hash 34-35, length of
        // the data 68-71.
        let changes: [(&str, usize, &[u8]); 6] = [
            ("no digest", 8, &[0]),
            ("one digest too many", 8, &[3]),
            ("the largest count of digests", 8, &[0xFF, 0xFF, 0xFF, 0xFF]),
            ("a hash that is not listed", 12, &[0x0C]),
            ("a hash twice", 34, &[0x04]),
            ("the largest length of the data", 68, &[0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (name, at, bytes) in changes {
            let mut log = good.clone();
            log[first + at..first + at + bytes.len()].copy_from_slice(bytes);
            assert!(parse(&log).is_err(), "{name}");
        }
        // An event without digests, with its type, and with data of no bytes.
        let empty = [&header.encode()[..], &[13, 0, 0, 0, 6, 0, 0, 0], &[0; 8]].concat();
        assert!(parse(&empty).unwrap_err().to_string().contains("has 0 digests; the header allows 1 to 2"));
    }

    #[test]
    fn an_event_that_extends_nothing_may_name_any_pcr() {
        let mut log = log(&Header::of(BANKS.into_iter()), EventType::NO_ACTION);
        let first = Header::of(BANKS.into_iter()).encode().len();
        log[first..first + 4].fill(0xFF);
        assert_eq!(parse(&log).unwrap().events()[0].pcr, None);
    }
}
