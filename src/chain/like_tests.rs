//! Tests of `like` and `frame`.

use super::efi_variable::{GLOBAL, SECURITY, Variable};
use super::efi_variables::EfiVariables;
use super::event::{ACTION, APPLICATION, AUTHORITY, Expected, SEPARATOR, VARIABLE};
use super::forecast::{Forecast, Part};
use super::forecasts::Forecasts;
use super::like::Like;
use crate::eventlog::tcg::encode;
use crate::eventlog::{EventType, header::Header};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, digests_of};
use crate::measure::pcr::Pcr;

pub(super) const BANK: Bank = Bank::Sha256;
const NO_ACTION: EventType = EventType::NO_ACTION;
const HCRTM: EventType = EventType(0x8000_0010);
const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";

pub(super) type Made = (u32, EventType, Vec<u8>);

/// A log whose digests are those of the data.
pub(super) fn log(banks: &[Bank], events: &[Made]) -> Vec<u8> {
    let header = Header::of(banks.iter().copied());
    let event =
        |(pcr, kind, data): &Made| encode(&header, Pcr::try_from(*pcr).unwrap(), *kind, &digests_of(banks, data), data);
    [header.encode(), events.iter().flat_map(event).collect()].concat()
}

fn secure_boot(value: &[u8]) -> Made {
    (7, VARIABLE, Variable { vendor: GLOBAL, name: "SecureBoot".to_owned(), value }.measured())
}

fn authority(value: &[u8]) -> Made {
    (7, AUTHORITY, Variable { vendor: SECURITY, name: "db".to_owned(), value }.measured())
}

/// A program at a device path of one node.
pub(super) fn program(kind: u8, subtype: u8, name: &[u8]) -> Made {
    let path = [&[kind, subtype, u8::try_from(4 + name.len()).unwrap(), 0], name, &[0x7F, 0xFF, 4, 0]].concat();
    (4, APPLICATION, [&[0; 24][..], &(path.len() as u64).to_le_bytes(), &path].concat())
}

fn separator(pcr: u32) -> Made {
    (pcr, SEPARATOR, vec![0; 4])
}

/// A boot as edk2 measures it: a tool of the firmware and an option that failed before the program that booted.
pub(super) fn boot() -> Vec<Made> {
    let mut events = vec![
        (0, NO_ACTION, b"StartupLocality\0\x03".to_vec()),
        (0, EventType(8), b"1.0".to_vec()),
        secure_boot(&[0]),
        separator(7),
        authority(b"an option ROM"),
        (2, EventType(0x8000_0004), b"an option ROM".to_vec()),
        (1, EventType(0x8000_0002), b"Boot0000".to_vec()),
        (4, ACTION, CALLING.to_vec()),
    ];
    events.extend((0..7).map(separator));
    events.extend([
        program(4, 4, b"failed"),
        (4, ACTION, RETURNING.to_vec()),
        (4, ACTION, CALLING.to_vec()),
        program(4, 6, b"a tool"),
        authority(b"the loader"),
        (5, EventType(0x8000_0006), b"EFI PART".to_vec()),
        program(4, 4, b"loader"),
        program(4, 4, b"kernel"),
        (7, AUTHORITY, b"Shim".to_vec()),
    ]);
    events
}

pub(super) fn extended(start: u8, events: &[&[u8]]) -> Digest {
    let start = Digest::zero(BANK).with_last_byte(start);
    events.iter().fold(start, |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
}

/// What is expected of one new program on a machine with this log.
pub(super) fn expected(log: &[u8], banks: &[Bank]) -> Forecasts {
    let mut forecasts = Forecasts::of_firmware();
    let mut parts = super::firmware::before_a_program(banks);
    parts.push(Part::Event(Expected::of(APPLICATION, "new", None, &[b"new"], banks)));
    forecasts.follows(4, parts, &[]);
    forecasts.follows(14, vec![], &[]);
    Like::parse("a.log", log).unwrap().expect(&mut forecasts, None, banks);
    forecasts
}

pub(super) fn value(forecasts: &Forecasts, pcr: u8) -> Digest {
    let mut values = forecasts.pcrs[&pcr].values(&[BANK]).unwrap_or_else(|| panic!("{:?}", forecasts.pcrs[&pcr]));
    assert_eq!(values.len(), 1, "PCR {pcr}");
    values.remove(0).pcr.remove(&BANK).unwrap()
}

pub(super) fn why(forecasts: &Forecasts, pcr: u8) -> &str {
    match &forecasts.pcrs[&pcr] {
        Forecast::Open { why } => why,
        Forecast::Follows { .. } => panic!("PCR {pcr} follows"),
    }
}

#[test]
fn the_firmware_s_own_events_are_those_of_the_log_and_the_program_is_new() {
    let boot = boot();
    let data = |index: usize| boot[index].2.as_slice();
    let found = expected(&log(&[BANK], &boot), &[BANK]);
    assert_eq!(value(&found, 0), extended(3, &[b"1.0", &[0; 4]]));
    assert_eq!(value(&found, 1), extended(0, &[b"Boot0000", &[0; 4]]));
    assert_eq!(value(&found, 2), extended(0, &[b"an option ROM", &[0; 4]]));
    assert_eq!((value(&found, 3), value(&found, 6)), (extended(0, &[&[0; 4]]), extended(0, &[&[0; 4]])));
    let (failed, tool) = (data(15), data(18));
    assert_eq!(value(&found, 4), extended(0, &[CALLING, &[0; 4], failed, RETURNING, CALLING, tool, b"new"]));
    assert_eq!(value(&found, 7), extended(0, &[data(2), &[0; 4], data(4)]));
    assert!(why(&found, 5).contains("partition table"));
    let Forecast::Follows { parts, assumes } = &found.pcrs[&0] else { panic!("PCR 0") };
    let [Part::Locality(3), Part::Event(version), Part::Event(end)] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!((version.what.as_str(), version.from.as_deref()), ("1.0", Some("a.log, event 2")));
    assert_eq!((end.kind, end.what.as_str(), assumes.len()), (SEPARATOR, "no error", 1));
}

#[test]
fn a_hardware_root_of_trust_decides_how_pcr_0_starts() {
    let mut boot = boot();
    boot[0] = (0, HCRTM, b"HCRTM".to_vec());
    assert_eq!(value(&expected(&log(&[BANK], &boot), &[BANK]), 0), extended(4, &[b"HCRTM", b"1.0", &[0; 4]]));
}

#[test]
fn a_log_of_a_part_of_a_boot_or_of_a_bad_one_gives_reasons() {
    type Change = fn(&mut Vec<Made>);
    let table: [(Change, &[u8], &str); 7] = [
        (|boot| boot.truncate(19), &[4, 7], "no program that the firmware starts"),
        (|boot| boot.truncate(14), &[6], "does not have one separator"),
        (|boot| boot.truncate(8), &[0, 1, 2, 3, 6], "does not have one separator"),
        (|boot| boot.push(separator(2)), &[2], "does not have one separator"),
        (|boot| boot[8].2 = vec![0, 0, 0, 1], &[0], "the firmware had an error"),
        (|boot| boot[2] = secure_boot(&[7]), &[7], "no event proves whether Secure Boot is on"),
        (|boot| boot.insert(3, secure_boot(&[1])), &[7], "no event proves whether Secure Boot is on"),
    ];
    for (change, pcrs, part) in table {
        let mut boot = boot();
        change(&mut boot);
        let found = expected(&log(&[BANK], &boot), &[BANK]);
        for pcr in pcrs {
            assert!(why(&found, *pcr).contains(part), "PCR {pcr}: {}", why(&found, *pcr));
        }
        let others = [0, 1, 2, 3, 6].into_iter().filter(|pcr| !pcrs.contains(pcr) && boot.len() > 15);
        others.for_each(|pcr| drop(value(&found, pcr)));
    }
    // A digest that is not that of the value.
    let mut bytes = log(&[BANK], &boot());
    let at = bytes.windows(9).position(|bytes| bytes == b"\0B\0o\0o\0t\0").unwrap();
    bytes[at + 9] ^= 1;
    assert!(why(&expected(&bytes, &[BANK]), 7).contains("no event proves"));
}

#[test]
fn a_bank_that_the_log_lacks_has_no_value() {
    let bytes = log(&[Bank::Sha1, BANK], &boot());
    let like = Like::parse("a.log", &bytes).unwrap();
    assert_eq!(like.missing(&Bank::ALL).unwrap(), [Bank::Sha384, Bank::Sha512]);
    assert_eq!(like.missing(&[Bank::Sha1, BANK]).unwrap(), []);
    let error = like.missing(&[Bank::Sha512]).unwrap_err().to_string();
    assert_eq!(error, "a.log: has no digests in sha512 (it has sha1, sha256)");
    let found = expected(&bytes, &Bank::ALL);
    for pcr in [0, 1, 2, 3, 4, 6, 7] {
        let values = found.pcrs[&pcr].values(&Bank::ALL).unwrap();
        assert_eq!(values[0].pcr.keys().copied().collect::<Vec<_>>(), [Bank::Sha1, BANK], "PCR {pcr}");
    }
}

#[test]
fn a_log_that_is_cut_or_has_no_firmware_is_refused() {
    let bytes = log(&[BANK], &boot());
    assert!(Like::parse("a.log", &bytes[..bytes.len() - 1]).unwrap_err().to_string().starts_with("a.log: event log"));
    for events in [vec![], vec![separator(7)]] {
        let error = Like::parse("a.log", &log(&[BANK], &events)).unwrap_err().to_string();
        assert!(error.starts_with("a.log: has no event of PCR 0"), "{error}");
    }
}

#[test]
fn what_measures_into_pcr_7_beside_the_firmware_leaves_it_open() {
    let mut forecasts = Forecasts::of_firmware();
    Like::parse("a.log", &log(&[BANK], &boot())).unwrap().expect(&mut forecasts, None, &[BANK]);
    assert!(why(&forecasts, 7).contains("shim"));
}

#[test]
fn variables_of_the_machine_replace_those_of_the_log() {
    let mut boot = boot();
    let variable =
        |name: &str, vendor, value| (7, VARIABLE, Variable { vendor, name: name.to_owned(), value }.measured());
    boot.splice(3..3, [variable("db", SECURITY, b"old"), variable("other", SECURITY, b"own")]);
    let like = Like::parse("a.log", &log(&[BANK], &boot)).unwrap();
    let variables =
        EfiVariables::read("vars", |name| Ok(name.starts_with("db-").then(|| b"\x07\0\0\0new".to_vec()))).unwrap();
    let mut forecasts = Forecasts::of_firmware();
    forecasts.follows(14, vec![], &[]);
    like.expect(&mut forecasts, Some(&variables), &[BANK]);
    let [state, db, other] = [secure_boot(&[]), variable("db", SECURITY, b"new"), variable("other", SECURITY, b"own")]
        .map(|(.., data)| data);
    assert_eq!(value(&forecasts, 7), extended(0, &[&state, &db, &other, &[0; 4], &boot[6].2]));
    let Forecast::Follows { parts, .. } = &forecasts.pcrs[&7] else { panic!("PCR 7") };
    let from: Vec<_> =
        parts.iter().map(|part| if let Part::Event(event) = part { event.from.as_deref() } else { None }).collect();
    assert_eq!(from[..3], [Some("vars, SecureBoot"), Some("vars, db"), Some("a.log, event 5")]);
}

#[test]
fn a_variable_whose_digest_is_that_of_another_value_is_no_policy() {
    let mut boot = boot();
    boot.insert(3, (7, VARIABLE, Variable { vendor: SECURITY, name: "db".to_owned(), value: b"old" }.measured()));
    let mut bytes = log(&[BANK], &boot);
    let at = bytes.windows(7).position(|bytes| bytes == b"d\0b\0old").unwrap();
    bytes[at + 4] = b'0';
    assert_eq!(why(&expected(&bytes, &[BANK]), 7), "a.log: the digest of db is that of another value");
}
