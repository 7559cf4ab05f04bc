//! CEL-TLV, the binary form of the TCG's Canonical Event Log (TCG Canonical Event Log Format 1.0, section 5.2). Agents that measure
//! containers into PCRs of a virtual machine write it.
//!
//! A record is four fields: its number, its PCR, its digests, its content. A field is a type of one byte, a big-endian length of
//! 32 bits, and the value. Values of some types are fields again.

use std::collections::BTreeMap;

use serde_json::json;

use super::cel::PCCLIENT;
use super::event::{Content, Event};
use super::event_type::EventType;
use super::hash_name::HashName;
use super::log::Log;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hash::digest::{Digest, Digests};

/// The types of a record's fields (section 5.1, table 4).
const NUMBER: u8 = 0;
const PCR: u8 = 1;
const NV_INDEX: u8 = 2;
const DIGESTS: u8 = 3;
/// A register of a confidential virtual machine's processor, in the logs of Google's agents (go-eventlog, cel/canonical_eventlog.go).
const REGISTER: u8 = 108;
/// The content of an event of a TCG log, and the fields in it.
const PC_CLIENT: u8 = 5;
const EVENT_TYPE: u8 = 0;
const EVENT_DATA: u8 = 1;
/// The longest number, in bytes. Programs leave out zeros at its front.
const LONGEST: usize = 8;
/// How deep the fields in a content are looked at, for its description.
const DEPTH: usize = 4;

/// Whether the bytes begin as such a log does: with the number of a record, and with what its digests extend.
pub(super) fn is_likely(log: &[u8]) -> bool {
    let mut cursor = Cursor::new("event log", log);
    let second = number(&mut cursor, NUMBER).and_then(|_| cursor.u8());
    matches!(second, Ok(PCR | NV_INDEX | REGISTER)) && cursor.nested_u32_be().is_ok_and(|field| is_number(&field))
}

/// Reads a whole log.
///
/// # Errors
/// If any part of the log is malformed, or if a record extends a register that is no PCR.
pub fn parse(log: &[u8]) -> Result<Log> {
    let mut cursor = Cursor::new("event log", log);
    let mut events = Vec::new();
    while !cursor.is_empty() {
        events.extend(record(&mut cursor)?);
    }
    Log::new(events)
}

/// Reads one record. `None` for one of an NV index: it concerns no PCR.
fn record(cursor: &mut Cursor) -> Result<Option<Event>> {
    number(cursor, NUMBER)?;
    let index = cursor.clone();
    let kind = cursor.u8()?;
    if kind == REGISTER {
        return Err(not_of_a_tpm(&index));
    }
    if kind != PCR && kind != NV_INDEX {
        return Err(index.error_here(format_args!("a record names the register type {kind}, not a PCR ({PCR})")));
    }
    let pcr = number_of(&cursor.nested_u32_be()?)?;
    let (digests, others) = digests(field(cursor, DIGESTS)?)?;
    let content = content(cursor)?;
    Ok((kind == PCR).then(|| Event::of_pcr(pcr, digests, others, content)))
}

fn not_of_a_tpm(place: &Cursor) -> Error {
    let cause = "a record extends a register of a confidential virtual machine's processor (RTMR), not a PCR";
    place.error_here(cause).hint("if the machine has a TPM too, give the log of that")
}

/// The value of the next field, which must be of the type `kind`.
fn field<'a>(cursor: &mut Cursor<'a>, kind: u8) -> Result<Cursor<'a>> {
    let start = cursor.clone();
    match cursor.u8()? {
        read if read == kind => cursor.nested_u32_be(),
        read => Err(start.error_here(format_args!("a field of the type {read}, where one of type {kind} must be"))),
    }
}

fn number(cursor: &mut Cursor, kind: u8) -> Result<u64> {
    number_of(&field(cursor, kind)?)
}

fn is_number(value: &Cursor) -> bool {
    (1..=LONGEST).contains(&value.rest().len())
}

fn number_of(value: &Cursor) -> Result<u64> {
    if !is_number(value) {
        return Err(value.error_here(format_args!("a number of {} bytes", value.rest().len())));
    }
    Ok(value.rest().iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The digests. The type of each field is the last byte of its hash's `TPM_ALG_ID`.
fn digests(mut fields: Cursor) -> Result<(Digests, BTreeMap<String, Vec<u8>>)> {
    let (mut digests, mut others) = (Digests::new(), BTreeMap::new());
    while !fields.is_empty() {
        let start = fields.clone();
        let (hash, digest) = (fields.u8()?, fields.nested_u32_be()?.rest());
        let (name, twice) = match HashName::of_algorithm(hash.into()) {
            HashName::Known(bank) => {
                let digest = Digest::from_bytes(bank, digest).map_err(|error| start.error_here(error))?;
                (bank.to_string(), digests.insert(bank, digest).is_some())
            }
            HashName::Other(name) => (name.clone(), others.insert(name, digest.to_vec()).is_some()),
        };
        if twice {
            return Err(start.error_here(format_args!("has two {name} digests")));
        }
    }
    Ok((digests, others))
}

/// The content. One that is no event of a TCG log is kept whole: what its digests are of is often all its bytes.
fn content(cursor: &mut Cursor) -> Result<Content> {
    let whole = cursor.rest();
    let kind = cursor.u8()?;
    let mut value = cursor.nested_u32_be()?;
    if kind == PC_CLIENT {
        let event_type = number(&mut value, EVENT_TYPE)?;
        let data = field(&mut value, EVENT_DATA)?.rest().to_vec();
        let event_type = u32::try_from(event_type).map_err(|_| value.error("an event type has more than 32 bits"))?;
        value.end()?;
        return Ok(Content::Tcg { kind: EventType(event_type), data });
    }
    let whole = whole.get(..whole.len() - cursor.rest().len()).unwrap_or_default();
    Ok(Content::Json { content_type: content_type(kind), content: json!({ "tlv": hex::encode(whole) }) })
}

/// The name of a content type in CEL-JSON (section 5.1.4; libcel, src/cel_json.c); its number, if it has none.
fn content_type(kind: u8) -> String {
    match kind {
        4 => "cel".to_owned(),
        PC_CLIENT => PCCLIENT.to_owned(),
        7 => "ima_template".to_owned(),
        8 => "ima_tlv".to_owned(),
        other => other.to_string(),
    }
}

/// The values in a field of a content, from front to back, without the types and lengths around them.
pub(super) fn values(field: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    collect(field, DEPTH, &mut found);
    found
}

fn collect<'a>(bytes: &'a [u8], depth: usize, found: &mut Vec<&'a [u8]>) {
    let mut cursor = Cursor::new("content", bytes);
    let mut inner = Vec::new();
    while depth > 0 && !cursor.is_empty() {
        match cursor.u8().and_then(|_| cursor.nested_u32_be()) {
            Ok(value) => inner.push(value.rest()),
            Err(_) => break,
        }
    }
    // Bytes that are no fields up to their end are a value.
    if inner.is_empty() || !cursor.is_empty() {
        found.push(bytes);
    } else {
        for value in inner {
            collect(value, depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::cel;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind][..], &u32::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
    }

    /// A record as the programs of the field write it: numbers of one, four or eight bytes.
    fn record(index: (u8, &[u8]), content: &[u8]) -> Vec<u8> {
        let digests = digests_of(&[Bank::Sha1, Bank::Sha256], content);
        let digest = |(bank, digest): (&Bank, &Digest)| tlv(bank.algorithm().to_le_bytes()[0], digest.as_bytes());
        let digests: Vec<u8> = digests.iter().flat_map(digest).collect();
        [tlv(NUMBER, &[0; 8]), tlv(index.0, index.1), tlv(DIGESTS, &digests), content.to_vec()].concat()
    }

    /// What a program that starts containers writes about one.
    fn container() -> Vec<u8> {
        tlv(80, &tlv(0, b"docker.io/example:latest"))
    }

    #[test]
    fn records_of_pcrs_are_read() {
        let firmware = tlv(PC_CLIENT, &[tlv(EVENT_TYPE, &[0x0D]), tlv(EVENT_DATA, b"loader")].concat());
        let log = [record((PCR, &[13]), &container()), record((PCR, &[0, 0, 0, 4]), &firmware)].concat();
        assert!(is_likely(&log));
        let read = parse(&log).unwrap();
        let [container_event, firmware_event] = read.events() else { panic!() };
        assert_eq!((container_event.pcr.unwrap().get(), firmware_event.pcr.unwrap().get()), (13, 4));
        assert_eq!(container_event.digests, digests_of(&[Bank::Sha1, Bank::Sha256], &container()));
        assert_eq!(container_event.describe(), "80: docker.io/example:latest");
        assert_eq!(firmware_event.content, Content::Tcg { kind: EventType(0xD), data: b"loader".to_vec() });
        assert_eq!(cel::parse(cel::encode(&read).to_string().as_bytes()).unwrap(), read);
    }

    #[test]
    fn other_registers_are_no_pcrs() {
        assert!(parse(&record((NV_INDEX, &[1, 0xC0, 0, 0]), &container())).unwrap().events().is_empty());
        assert_eq!(parse(&record((PCR, &[24]), &container())).unwrap().events()[0].no_pcr, Some(24));
        let register = record((REGISTER, &[4]), &container());
        let why = parse(&register).unwrap_err().to_string();
        assert!(is_likely(&register) && why.contains("event log, byte 13: a record extends a register of"), "{why}");
    }

    #[test]
    fn a_log_that_was_cut_or_changed_is_refused() {
        let good = record((PCR, &[13]), &container());
        for length in 1..good.len() {
            assert!(parse(&good[..length]).is_err(), "{length}");
        }
        // Bytes of the record: number 0-12, PCR 13-18, digests 19-85, content from 86 on.
        for (name, at, byte) in [
            ("a number of nine bytes", 4, 9),
            ("a number of no byte", 17, 0),
            ("another register", 13, 9),
            ("no digests", 19, 4),
            ("a digest of another length", 28, 19),
            ("a hash twice", 49, 4),
            ("the largest length", 87, 0xFF),
        ] {
            let mut log = good.clone();
            log[at] = byte;
            assert!(parse(&log).is_err(), "{name}");
        }
        // The beginning of a log of the TCG's older form: PCR 0, EV_S_CRTM_VERSION, a digest.
        let sha1 =
            [&[0, 0, 0, 0, 8, 0, 0, 0][..], Bank::Sha1.digest(b"1.0").as_bytes(), &[3, 0, 0, 0], b"1.0"].concat();
        assert!(!is_likely(&sha1) && !is_likely(b"") && !is_likely(&[0; 64]));
    }

    #[test]
    fn the_values_of_a_content_are_found_and_hostile_ones_end() {
        assert_eq!(values(&container()), [b"docker.io/example:latest"]);
        assert_eq!(values(&tlv(8, &[tlv(0, b"/init"), tlv(1, &[7; 32])].concat())), [&b"/init"[..], &[7; 32]]);
        let deep = (0..1000).fold(b"x".to_vec(), |inner, _| tlv(0, &inner));
        assert_eq!(values(&deep).len(), 1);
        assert_eq!(values(b""), [b""]);
    }
}
