//! The event log of a dynamic launch with Intel TXT on a machine with a TPM 1.2: a header, then events of the TCG's older form (Intel
//! TXT Software Development Guide, 315168, "TPM 1.2 Event Log"; tboot, tboot/include/txt/heap.h, `event_log_container_t`). Linux
//! with Secure Launch shows it in securityfs as `slaunch/eventlog`. With a TPM 2.0 the log of a launch is a crypto-agile one.

use super::log::Log;
use super::tcg_sha1;
use crate::count::counted;
use crate::cursor::Cursor;
use crate::error::Result;

const SIGNATURE: &[u8; 20] = b"TXT Event Container\0";
/// The bytes of the header: signature, 12 reserved bytes, four version numbers, the memory that was allocated for the container with
/// this header (Xen, xen/arch/x86/include/asm/intel-txt.h, `ContainerSize`), where the events begin, and where the next event would begin. A
/// file may have fewer bytes than the memory, if it has all events.
const HEADER: usize = 20 + 12 + 4 + 3 * 4;
/// The major version of the container, and both versions of its events. A later minor version of the container adds fields to its
/// header.
const CONTAINER: u8 = 1;
const EVENT: [u8; 2] = [1, 0];

pub(super) fn is_likely(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads a whole container.
///
/// # Errors
/// If its version is not known, or if any part of it is malformed.
pub fn parse(bytes: &[u8]) -> Result<Log> {
    let mut header = Cursor::new("event log", bytes);
    if header.take(SIGNATURE.len())? != SIGNATURE {
        return Err(header.error("does not begin with \"TXT Event Container\""));
    }
    header.take(12)?;
    let [container, minor, event] = [header.u8()?, header.u8()?, header.u8()?];
    let events = [event, header.u8()?];
    if container != CONTAINER || events != EVENT {
        let [major_of_event, minor_of_event] = events;
        return Err(header.error(format_args!(
            "has version {container}.{minor} of TXT's container with events of version {major_of_event}.{minor_of_event}; only \
             versions {CONTAINER}.x and 1.0 are known"
        )));
    }
    let [size, first, next] = [header.u32_le()?, header.u32_le()?, header.u32_le()?]
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    if next > size {
        return Err(header
            .error(format_args!(
                "its container has room for {}, but its events end at byte {next}",
                counted(size, "byte")
            ))
            .hint("the log was changed, or the room was too small for all events"));
    }
    let Some(used) = bytes.get(..next).filter(|_| (HEADER..=next).contains(&first)) else {
        let bytes = counted(bytes.len(), "byte");
        return Err(header
            .error(format_args!("its events stand from byte {first} to {next} of {bytes}"))
            .hint("was it cut off?"));
    };
    let mut cursor = Cursor::new("event log", used);
    cursor.take(first)?;
    let unused = bytes.len() - next;
    let note =
        || format!("has {} behind its last event, from byte {next} on; they are no events", counted(unused, "byte"));
    Ok(tcg_sha1::events(&mut cursor)?.noted((unused > 0).then(note)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::hash::bank::Bank;
    use crate::hash::digest::Digest;
    use crate::measure::pcr::Pcr;

    /// A container with an event of SINIT, the marks of Linux, one event between them, and this many unused bytes.
    pub(crate) fn container(unused: usize) -> Vec<u8> {
        let event = |pcr: u32, kind: EventType, text: &[u8]| {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            [&pcr.to_le_bytes()[..], &kind.0.to_le_bytes(), Bank::Sha1.digest(text).as_bytes(), &length, text].concat()
        };
        let events = [
            event(17, EventType(0x402), b"sinit"),
            event(17, EventType::SLAUNCH_START, b""),
            event(18, EventType(0x502), b"kernel"),
            event(17, EventType::SLAUNCH_END, b""),
        ]
        .concat();
        let next = HEADER + events.len();
        let numbers = [next + unused, HEADER, next].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        [&SIGNATURE[..], &[0; 12], &[1, 0, 1, 0], numbers.as_flattened(), &events, &vec![0; unused]].concat()
    }

    #[test]
    fn the_marks_of_linux_extend_nothing() {
        let log = parse(&container(0)).unwrap();
        let kinds: Vec<_> = log.events().iter().map(|event| event.extends().map(Pcr::get)).collect();
        assert_eq!(kinds, [Some(17), None, Some(18), None]);
        let replayed = log.replay();
        for (pcr, text) in [(17, "sinit"), (18, "kernel")] {
            let value = Digest::zero(Bank::Sha1).extended(Bank::Sha1, &Bank::Sha1.digest(text.as_bytes()));
            assert_eq!(replayed[&Bank::Sha1][&Pcr::try_from(pcr).unwrap()], value);
        }
        assert!(log.own_notes().is_empty());
    }

    #[test]
    fn unused_memory_behind_the_events_is_noted() {
        let log = parse(&container(100)).unwrap();
        assert_eq!(log.events().len(), 4);
        assert!(log.own_notes()[0].starts_with("has 100 bytes behind its last event"), "{:?}", log.own_notes());
    }

    #[test]
    fn a_container_that_is_cut_or_of_another_version_is_refused() {
        let good = container(0);
        for length in 0..good.len() {
            assert!(parse(&good[..length]).is_err(), "{length}");
        }
        let changes: [(usize, u8, &str); 7] = [
            (0, b'X', "does not begin with"),
            (32, 2, "version 2.0 of TXT's container"),
            (34, 2, "events of version 2.0"),
            (35, 1, "events of version 1.1"),
            // The size: a byte less than the events need.
            (36, 186, "room for 186 bytes, but its events end at byte 187"),
            // Where the events begin: inside of the header; behind the last event.
            (40, 47, "stand from byte 47"),
            (41, 1, "stand from byte 304"),
        ];
        for (at, byte, cause) in changes {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let error = parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(cause), "{at}: {error}");
        }
        for size in [[0; 4], [0x2F, 0, 0, 0]] {
            let mut bytes = good.clone();
            bytes[36..40].copy_from_slice(&size);
            assert!(parse(&bytes).is_err(), "{size:?}");
        }
        // More memory than the file has: that of events which did not happen.
        let mut larger = good.clone();
        larger[36..40].copy_from_slice(&[0xFF; 4]);
        assert_eq!(parse(&larger).unwrap().events().len(), 4);
        let mut newer = good.clone();
        newer[33] = 1;
        assert!(parse(&newer).is_ok(), "a later minor version only adds to the header");
    }
}
