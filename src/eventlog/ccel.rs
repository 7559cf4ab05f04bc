//! The event log of a confidential virtual machine. ACPI's table CCEL names its place, and it has the form of a crypto-agile
//! log. But it counts measurement registers: 0 is MRTD, and RTMR n is n + 1 (UEFI 2.10, section 38.4.1).

#[cfg(any(test, feature = "evidence"))]
use std::collections::{BTreeMap, BTreeSet};

#[cfg(any(test, feature = "evidence"))]
use super::event::Event;
use super::event_type::EventType;
use super::header::{Header, SIGNATURE};
#[cfg(any(test, feature = "evidence"))]
use super::log::Log;
use super::padding;
use crate::cursor::{Cursor, Fields};
use crate::error::Result;
#[cfg(any(test, feature = "evidence"))]
use crate::hash::digest::Digest;
#[cfg(any(test, feature = "evidence"))]
use crate::measure::rtmr::RtmrIndex;

/// Where the data of a TCG log's first event begins, which has the signature: behind PCR, type, SHA-1 digest and length.
pub(super) const SIGNATURE_AT: usize = 4 + 4 + 20 + 4;

/// The register that the first event of such a log names, which extends nothing (edk2, OvmfPkg/IntelTdx/TdTcg2Dxe/TdTcg2Dxe.c,
/// `SetupCcEventLog`).
const FIRST: [u8; 4] = 1u32.to_le_bytes();

/// The register that the first event names if td-shim wrote the log, as in the log of a TPM (cc-measurement/src/log.rs, `CcEventLogWriter`).
const FIRST_OF_TD_SHIM: [u8; 4] = [0; 4];
/// Where the vendor's bytes are in the header of td-shim, which lists one hash, and what they are, with their length in front
/// (cc-measurement/src/lib.rs, `TcgEfiSpecIdevent`).
const VENDOR_AT: usize = SIGNATURE_AT + 16 + 4 + 4 + 4 + 4;
const TD_SHIM: [u8; 8] = *b"\x07td-shim";

/// Whether this is the log of a confidential virtual machine.
#[must_use]
pub fn is_ccel(bytes: &[u8]) -> bool {
    Fields(bytes).at(SIGNATURE_AT).as_ref() == Some(SIGNATURE) && bytes.starts_with(&first(bytes))
}

/// The register that the first event of such a log names.
fn first(bytes: &[u8]) -> [u8; 4] {
    if Fields(bytes).at(VENDOR_AT) == Some(TD_SHIM) { FIRST_OF_TD_SHIM } else { FIRST }
}

/// The first event of a log of our own.
pub(super) fn encode(header: &Header) -> Vec<u8> {
    let mut event = header.encode();
    event.splice(..FIRST.len(), FIRST);
    event
}

/// The same log with the number of the register in its first event that the log of a TPM has: apart from that, both have one form.
#[cfg(any(test, feature = "evidence"))]
pub(super) fn as_tcg(log: &[u8]) -> Vec<u8> {
    let mut log = log.to_vec();
    if is_ccel(&log) {
        log.splice(..FIRST.len(), [0; FIRST.len()]);
    }
    log
}

/// The header of the log, and the length of its events. Padding follows, for the firmware reserves more memory than it needs, and the
/// kernel shows all of it.
///
/// # Errors
/// If it is no such log, or if an event is malformed: an event of ours behind it would not be found.
pub fn measure(log: &[u8]) -> Result<(Header, usize)> {
    let mut cursor = Cursor::new("event log of the confidential machine", log);
    let header = Header::read_from(&mut cursor, first(log))?;
    while !cursor.is_empty() && padding::note(&cursor).is_none() {
        skip_event(&mut cursor, &header)?;
    }
    Ok((header, cursor.position()))
}

/// Reads a whole log. Its events have the number of the register in place of that of a PCR. One of another register than the four
/// RTMRs extends nothing, so anybody can have written it.
///
/// # Errors
/// As for the log of a TPM.
#[cfg(any(test, feature = "evidence"))]
pub fn parse(bytes: &[u8]) -> Result<Log> {
    let read = super::tcg::parse(&as_tcg(bytes))?;
    let mut others = BTreeSet::new();
    let only_rtmrs = |mut event: Event| {
        if rtmr_of(&event).is_none() {
            let other = event.no_pcr.take().or_else(|| event.extends().map(|register| register.get().into()));
            others.extend(other);
            event.pcr = None;
        }
        event
    };
    let log = Log::new(read.events().iter().cloned().map(only_rtmrs).collect())?;
    let others: Vec<_> = others.iter().map(u64::to_string).collect();
    let note = (!others.is_empty()).then(|| {
        format!(
            "has events of registers that are no RTMRs ({}): they extend nothing, and are not judged",
            others.join(", ")
        )
    });
    Ok(read.own_notes().iter().cloned().fold(log, Log::noted).noted(note))
}

/// The RTMR that an event of such a log extends; `None` if it extends none. TDX has four.
#[cfg(any(test, feature = "evidence"))]
pub(crate) fn rtmr_of(event: &Event) -> Option<u8> {
    event.extends().and_then(|register| register.get().checked_sub(1)).filter(|&rtmr| rtmr < RtmrIndex::COUNT)
}

/// The value of each RTMR that an event extends. Each starts with zeros.
#[cfg(any(test, feature = "evidence"))]
#[must_use]
pub fn replay(log: &Log) -> BTreeMap<u8, Digest> {
    let mut values = log.replay().remove(&RtmrIndex::BANK).unwrap_or_default();
    let rtmrs = log.events().iter().filter_map(|event| Some((rtmr_of(event)?, event.extends()?)));
    let rtmrs: BTreeMap<_, _> = rtmrs.collect();
    rtmrs.into_iter().filter_map(|(rtmr, register)| Some((rtmr, values.remove(&register)?))).collect()
}

/// Passes over a `TCG_PCR_EVENT2` (TCG PC Client Platform Firmware Profile 1.05, section 10.2.2).
fn skip_event(cursor: &mut Cursor, header: &Header) -> Result<()> {
    let start = cursor.clone();
    let (_register, _kind) = (cursor.u32_le()?, EventType(cursor.u32_le()?));
    let count = cursor.u32_le()? as usize;
    if count == 0 || count > header.algorithms().len() {
        return Err(start.error_here("an event has a number of digests that the header does not allow"));
    }
    for _ in 0..count {
        let id = cursor.u16_le()?;
        let Some(algorithm) = header.algorithms().iter().find(|algorithm| algorithm.id == id) else {
            return Err(start.error_here("an event has a digest of an unlisted hash"));
        };
        cursor.take(usize::from(algorithm.size))?;
    }
    cursor.counted_u32_le().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::tcg;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;

    #[test]
    fn only_the_four_rtmrs_have_values() {
        let header = Header::of(BANKS.into_iter());
        let mut log = encode(&header);
        for register in [0, 1, 4, 5, 24, u32::MAX] {
            let digests = digests_of(&BANKS, b"x");
            log.extend(tcg::encode_register(&header, register, EventType::EVENT_TAG, &digests, b"x"));
        }
        let read = parse(&log).unwrap();
        let rtmrs: Vec<_> = read.events().iter().map(rtmr_of).collect();
        assert_eq!(rtmrs, [None, Some(0), Some(3), None, None, None]);
        assert_eq!(replay(&read).keys().copied().collect::<Vec<_>>(), [0, 3]);
        // Anybody can have written the others: their words are not proven, though the digest is that of them.
        let extending = read.events().iter().map(|event| event.extends().is_some());
        assert_eq!(extending.collect::<Vec<_>>(), [false, true, true, false, false, false]);
        let note = format!(
            "has events of registers that are no RTMRs (0, 5, 24, {}): they extend nothing, and are not judged",
            u32::MAX
        );
        assert_eq!(read.notes(), [note]);
    }

    const BANKS: [Bank; 1] = [Bank::Sha384];

    /// A log with two events of RTMR 0 and 2, and the length of its events.
    fn log() -> (Vec<u8>, usize) {
        let header = Header::of(BANKS.into_iter());
        let event = |register: u32, text: &[u8]| {
            tcg::encode_register(&header, register, EventType::EVENT_TAG, &digests_of(&BANKS, text), text)
        };
        let log = [encode(&header), event(1, b"one"), event(3, b"two")].concat();
        let length = log.len();
        (log, length)
    }

    #[test]
    fn the_events_end_where_the_padding_begins() {
        let (log, length) = log();
        for fill in [0, 0xFF] {
            for padding in [0, 12, 65_536] {
                let whole = [&log[..], &vec![fill; padding]].concat();
                assert!(is_ccel(&whole));
                let (header, end) = measure(&whole).unwrap();
                assert_eq!((header, end), (Header::of(BANKS.into_iter()), length), "{fill}, {padding}");
            }
        }
    }

    #[test]
    fn a_log_that_is_cut_off_or_changed_is_refused() {
        let (log, length) = log();
        let first = encode(&Header::of(BANKS.into_iter())).len();
        let second = length - (4 + 4 + 4 + 2 + 48 + 4 + 3);
        for cut in 0..length {
            assert_eq!(measure(&log[..cut]).is_ok(), cut == first || cut == second, "{cut}");
        }
        for (at, bytes) in [(0, [2, 0]), (first + 8, [0, 0]), (first + 8, [2, 0]), (first + 12, [0xB, 0])] {
            let mut log = log.clone();
            log[at..at + 2].copy_from_slice(&bytes);
            assert!(measure(&log).is_err(), "{at}");
        }
        assert!(measure(&[]).is_err() && measure(&[0xFF; 4096]).is_err() && !is_ccel(&[1, 0, 0, 0]));
    }

    #[test]
    fn the_log_of_td_shim_names_register_0_first() {
        let (log, _) = log();
        let header = encode(&Header::of(BANKS.into_iter()));
        let td_shim = |first: u8| {
            let mut shim = [&header[..VENDOR_AT], &TD_SHIM, &log[header.len()..]].concat();
            (shim[0], shim[28]) = (first, shim[28] + 7);
            shim
        };
        let shim = td_shim(0);
        assert_eq!(replay(&parse(&shim).unwrap()), replay(&parse(&log).unwrap()));
        assert!(is_ccel(&shim) && measure(&shim).is_ok_and(|(_, end)| end == shim.len()));
        assert!(crate::eventlog::parse(&shim).unwrap_err().to_string().contains("(CCEL)"));
        assert!(!is_ccel(&td_shim(1)) && measure(&td_shim(1)).is_err());
    }

    #[test]
    fn apart_from_the_first_register_it_is_a_log_of_a_tpm() {
        let (log, _) = log();
        assert!(tcg::parse(&log).is_err());
        let read = parse(&log).unwrap();
        let values = replay(&read);
        assert_eq!(values.keys().copied().collect::<Vec<_>>(), [0, 2]);
        let zero = Digest::zero(Bank::Sha384);
        assert_eq!(values[&2], zero.extended(Bank::Sha384, &Bank::Sha384.digest(b"two")));
        assert_eq!(read.events().iter().map(|event| event.extends().unwrap().get()).collect::<Vec<_>>(), [1, 3]);
        for length in 0..8 {
            assert_eq!(as_tcg(&log[..length]), &log[..length], "{length}");
        }
    }
}
