//! The older form of the TCG's event log, which firmware for a TPM 1.2 writes, and this program on such a machine: each event has one
//! SHA-1 digest (`TCG_PCR_EVENT`; TCG PC Client Platform Firmware Profile 1.05, section 10.2.1). Such a log can be forged, because
//! SHA-1 is broken. So it is read to be shown, and `verify` judges by it only if SHA-1 is accepted.

use std::collections::BTreeMap;

use super::event::{Content, Event};
use super::event_type::EventType;
use super::header::push_counted;
use super::log::Log;
use super::padding;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::Pcr;

/// The bytes of an event before its data: PCR, type, digest, length of the data.
const FIXED: usize = 4 + 4 + 20 + 4;

/// Whether the bytes begin as an event of such a log does: with a PCR that exists, and a type that the TCG has named.
pub(super) fn is_likely(log: &[u8]) -> bool {
    let mut cursor = Cursor::new("event log", log);
    let (pcr, kind) = (cursor.u32_le(), cursor.u32_le().map(EventType));
    pcr.is_ok_and(|pcr| pcr < 24) && kind.is_ok_and(EventType::has_name)
}

/// The PCR of the first event, if the bytes begin with a whole event of a type that the TCG has named.
pub(super) fn first_pcr(log: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new("event log", log);
    let (pcr, kind) = (cursor.u32_le().ok()?, EventType(cursor.u32_le().ok()?));
    cursor.take(Bank::Sha1.digest_len()).ok()?;
    cursor.counted_u32_le().ok().filter(|_| kind.has_name()).map(|_| pcr)
}

/// Encodes an event as `TCG_PCR_EVENT`. Without a SHA-1 digest, nothing was extended: its digest is zeros.
#[must_use]
pub fn encode(pcr: Pcr, kind: EventType, digests: &Digests, data: &[u8]) -> Vec<u8> {
    let mut event = u32::from(pcr.get()).to_le_bytes().to_vec();
    event.extend(kind.0.to_le_bytes());
    event.extend(digests.get(&Bank::Sha1).map_or(&[0; 20][..], Digest::as_bytes));
    push_counted(&mut event, data);
    event
}

/// Whether the bytes are events of such a log up to the last byte, so that other events can follow. No event is padding.
pub(super) fn is_whole(log: &[u8]) -> bool {
    let mut cursor = Cursor::new("event log", log);
    while !cursor.is_empty() {
        let padding = cursor.rest().starts_with(&[0; FIXED]);
        if padding || cursor.take(FIXED - 4).is_err() || cursor.counted_u32_le().is_err() {
            return false;
        }
    }
    true
}

/// Reads a whole log.
///
/// # Errors
/// If any part of the log is malformed.
pub fn parse(log: &[u8]) -> Result<Log> {
    events(&mut Cursor::new("event log", log))
}

/// Reads the events up to the end, or up to the padding behind the last one.
pub(super) fn events(cursor: &mut Cursor) -> Result<Log> {
    let mut events = Vec::new();
    let mut padding = None;
    while !cursor.is_empty() && padding.is_none() {
        padding = padding::note(cursor);
        if padding.is_none() {
            events.push(event(cursor)?);
        }
    }
    Ok(Log::new(events)?.noted(padding))
}

fn event(cursor: &mut Cursor) -> Result<Event> {
    let (pcr, kind) = (cursor.u32_le()?, EventType(cursor.u32_le()?));
    let digest = Digest::from_bytes(Bank::Sha1, cursor.take(Bank::Sha1.digest_len())?)?;
    let data = cursor.counted_u32_le()?.to_vec();
    let digests = Digests::from([(Bank::Sha1, digest)]);
    Ok(Event::of_pcr(pcr.into(), digests, BTreeMap::new(), Content::Tcg { kind, data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pcr: u8, kind: EventType, text: &[u8]) -> Vec<u8> {
        let digests = Digests::from([(Bank::Sha1, Bank::Sha1.digest(text))]);
        encode(Pcr::try_from(u32::from(pcr)).unwrap(), kind, &digests, text)
    }

    #[test]
    fn an_encoded_event_has_the_bytes_of_the_specification() {
        let event = encoded(13, EventType::EVENT_TAG, b"abc");
        let digest = hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        assert_eq!(event, [&[13, 0, 0, 0, 6, 0, 0, 0][..], &digest, &[3, 0, 0, 0], b"abc"].concat());
        let without = encode(Pcr::try_from(13).unwrap(), EventType::EVENT_TAG, &Digests::new(), b"");
        assert_eq!(without, [&[13, 0, 0, 0, 6, 0, 0, 0][..], &[0; 24]].concat());
    }

    #[test]
    fn a_log_is_whole_if_other_events_can_follow() {
        let event = encoded(4, EventType(0xD), b"loader");
        for (log, expected) in [
            (vec![], true),
            (event.clone(), true),
            ([&event[..], &event].concat(), true),
            (event[..event.len() - 1].to_vec(), false),
            ([&event[..], &[0; 31]].concat(), false),
            ([&event[..], &[0; 32]].concat(), false),
            ([&event[..], &[0xff; 99]].concat(), false),
        ] {
            assert_eq!(is_whole(&log), expected, "{log:?}");
        }
    }

    #[test]
    fn events_with_one_sha1_digest_are_read() {
        let log = [encoded(0, EventType::NO_ACTION, b"StartupLocality\0\x03"), encoded(4, EventType(0xD), b"loader")]
            .concat();
        assert!(is_likely(&log));
        let read = parse(&log).unwrap();
        assert_eq!((read.events().len(), crate::eventlog::parse(&log).as_ref()), (2, Ok(&read)));
        let pcr = Pcr::try_from(4).unwrap();
        let value = Digest::zero(Bank::Sha1).extended(Bank::Sha1, &Bank::Sha1.digest(b"loader"));
        assert_eq!(read.replay()[&Bank::Sha1][&pcr], value);
        assert_eq!(read.start(Pcr::try_from(0).unwrap(), Bank::Sha1).as_bytes()[19], 3);
        assert!(read.is_sha1_only());
    }

    #[test]
    fn an_event_of_a_pcr_that_no_tpm_has_extends_nothing() {
        let (one, mut two) = (encoded(13, EventType(0xD), b"one"), encoded(0, EventType(0xD), b"two"));
        two[0] = 24;
        let read = parse(&[two, one.clone()].concat()).unwrap();
        assert_eq!((read.events()[0].no_pcr, read.replay()), (Some(24), parse(&one).unwrap().replay()));
    }

    #[test]
    fn a_log_whose_first_event_is_of_a_pcr_that_no_tpm_has_is_refused_for_that() {
        for (pcr, is_named) in [([24, 0, 0, 0], true), ([0xFF; 4], true), ([13, 0, 0, 0], false)] {
            let mut log = encoded(0, EventType(0xD), b"one");
            log[..4].copy_from_slice(&pcr);
            let words = format!(
                "its first event is of PCR {}, which no TPM has (the PCRs are 0 to 23",
                u32::from_le_bytes(pcr)
            );
            let error = crate::eventlog::parse(&log).map_err(|error| error.to_string());
            assert_eq!(error.as_ref().is_err_and(|error| error.contains(&words)), is_named, "{error:?}");
            // A type without a name, and an event that is cut off, are no log.
            for (at, byte) in [(5, 0x77), (28, 0xFF)] {
                let mut other = log.clone();
                other[at] = byte;
                assert!(crate::eventlog::parse(&other).is_err_and(|error| !error.to_string().contains(&words)));
            }
        }
    }

    #[test]
    fn a_log_that_was_cut_or_changed_is_refused() {
        let good = [encoded(13, EventType(0xD), b"one"), encoded(0, EventType(0xD), b"two")].concat();
        let second = good.len() / 2;
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]).is_ok(), length == 0 || length == second, "{length}");
        }
        assert!(!is_likely(b"no log at all, but a text") && !is_likely(&[24, 0, 0, 0, 4, 0, 0, 0]) && !is_likely(b""));
        assert!(is_likely(&[23, 0, 0, 0, 4, 0, 0, 0]) && !is_likely(&[23, 0, 0, 0, 0xFF, 0, 0, 0]));
    }

    #[test]
    fn padding_behind_the_last_event_is_no_event() {
        let log = encoded(13, EventType(0xD), b"one");
        for (fill, least) in [(0, 12), (0xFF, 8)] {
            let padded = [&log[..], &[fill; 512]].concat();
            let read = parse(&padded).unwrap();
            assert_eq!((read.events().len(), read.own_notes().len()), (1, 1), "{fill}");
            assert!(parse(&padded[..log.len() + least - 1]).is_err(), "{fill}");
        }
    }
}
