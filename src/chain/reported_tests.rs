//! Logs and variables with which other programs predicted a wrong value, as their users reported it.

use super::efi_variable::{GLOBAL, SECURITY, Variable};
use super::efi_variables::EfiVariables;
use super::event::{AUTHORITY, VARIABLE};
use super::forecast::Forecast;
use super::forecasts::Forecasts;
use super::like::Like;
use super::like_tests::{BANK, Made, boot, expected, extended, log, program, value, why};

fn variable(name: &str, vendor: [u8; 16], value: &[u8]) -> Made {
    (7, VARIABLE, Variable { vendor, name: name.to_owned(), value }.measured())
}

/// What is expected on a machine with this log, and with these variables now.
fn with_variables(boot: &[Made], now: &[(&str, &[u8])]) -> Forecasts {
    let variables = EfiVariables::read("vars", |name| {
        let value = now.iter().find(|(own, _)| name.split('-').next() == Some(own));
        Ok(value.map(|(_, value)| [&[0x27, 0, 0, 0], *value].concat()))
    });
    let mut forecasts = Forecasts::of_firmware();
    forecasts.follows(14, vec![], &[]);
    Like::parse("a.log", &log(&[BANK], boot)).unwrap().expect(&mut forecasts, Some(&variables.unwrap()), &[BANK]);
    forecasts
}

/// An option ROM may be judged before the separator. systemd-pcrlock takes what allowed it for what comes behind
/// (https://github.com/systemd/systemd/issues/40381, https://github.com/systemd/systemd/issues/43139).
#[test]
fn what_allowed_a_driver_before_the_separator_stays_there() {
    let mut events = boot();
    let driver = (7, AUTHORITY, Variable { vendor: SECURITY, name: "db".to_owned(), value: b"early" }.measured());
    events.insert(3, driver.clone());
    let found = expected(&log(&[BANK], &events), &[BANK]);
    let data: Vec<_> = [2, 3].map(|index: usize| events[index].2.as_slice()).to_vec();
    assert_eq!(value(&found, 7), extended(0, &[data[0], data[1], &[0; 4], &events[5].2]));
    assert_eq!(data[1], driver.2);
}

/// A new dbx changes PCR 7 of the next boot (https://github.com/fwupd/fwupd/issues/7939). The attributes of a variable do not count.
#[test]
fn a_new_dbx_is_measured_at_the_next_boot() {
    let mut events = boot();
    events.insert(3, variable("dbx", SECURITY, b"old"));
    let found = with_variables(&events, &[("SecureBoot", &[0]), ("dbx", b"new")]);
    let expected = [variable("SecureBoot", GLOBAL, &[0]).2, variable("dbx", SECURITY, b"new").2];
    assert_eq!(value(&found, 7), extended(0, &[&expected[0], &expected[1], &[0; 4], &events[5].2]));
}

/// Firmware measures dbt and dbr only if they are there, and a log does not tell where it would have measured them.
#[test]
fn a_variable_that_came_or_went_since_the_log_leaves_pcr_7_open() {
    let without = boot();
    let mut with = boot();
    with.insert(3, variable("dbt", SECURITY, b"times"));
    for (events, now, follows) in [
        (&without, &[("SecureBoot", &[0_u8][..])][..], true),
        (&without, &[("SecureBoot", &[0]), ("dbt", b"times")], false),
        (&without, &[("SecureBoot", &[0]), ("dbr", b"recovery")], false),
        (&with, &[("SecureBoot", &[0])], false),
        (&with, &[("SecureBoot", &[0]), ("dbt", b"times")], true),
    ] {
        let found = with_variables(events, now);
        match &found.pcrs[&7] {
            Forecast::Follows { .. } => assert!(follows, "{now:?}"),
            Forecast::Open { why } => assert!(!follows && why.contains("a.log: "), "{now:?}: {why}"),
        }
    }
}

/// A tool of a vendor in the firmware, with bytes behind the end of its device path, is no program of the medium
/// (https://github.com/systemd/systemd/issues/38585).
#[test]
fn a_tool_of_the_firmware_with_bytes_behind_its_path_stays() {
    let mut events = boot();
    let (_, kind, mut data) = program(4, 6, b"a tool");
    data.extend(b"garbage");
    let length = u64::from_le_bytes(data[24..32].try_into().unwrap()) + 7;
    data[24..32].copy_from_slice(&length.to_le_bytes());
    events[18] = (4, kind, data);
    let found = expected(&log(&[BANK], &events), &[BANK]);
    let (calling, returning) = (events[7].2.as_slice(), events[16].2.as_slice());
    let own = [calling, &[0; 4], &events[15].2, returning, calling, &events[18].2, b"new"];
    assert_eq!(value(&found, 4), extended(0, &own));
}

/// Some firmware measures no partition table (https://github.com/StarLabsLtd/firmware/issues/454).
#[test]
fn a_log_without_a_partition_table_leaves_pcr_5_open() {
    let mut events = boot();
    events.retain(|(pcr, kind, _)| (*pcr, kind.0) != (5, 0x8000_0006));
    assert!(why(&expected(&log(&[BANK], &events), &[BANK]), 5).contains("partition table"));
}
