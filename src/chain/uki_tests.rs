//! Tests of `uki`.

use super::uki::Uki;
use crate::chain::forecast::{Forecast, Part, Value};
use crate::chain::made_pe::MadePe;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

const BANK: Bank = Bank::Sha256;

fn made(version: &str) -> MadePe {
    let magic = format!("#### LoaderInfo: systemd-stub {version} ####");
    MadePe::new()
        .exact(b".sdmagic", magic.as_bytes())
        .exact(b".linux", &MadePe::new().exact(b".text", b"kernel").bytes())
}

fn forecast(made: &MadePe, append: Option<&str>, pcr: u8) -> Forecast {
    let bytes = made.bytes();
    Uki::parse("x.efi", &bytes).unwrap().forecasts(append, &[BANK]).unwrap().pcrs.remove(&pcr).unwrap()
}

fn values(made: &MadePe, append: Option<&str>, pcr: u8) -> Vec<(String, Digest)> {
    let value = |mut value: Value| (value.answers.join(", "), value.pcr.remove(&BANK).unwrap());
    forecast(made, append, pcr).values(&[BANK]).unwrap().into_iter().map(value).collect()
}

fn extended(events: &[&[u8]]) -> Digest {
    events.iter().fold(Digest::zero(BANK), |value, bytes| value.extended(BANK, &BANK.digest(bytes)))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn pcr_11_has_the_sections_that_the_version_knows_in_its_order() {
    let linux = MadePe::new().exact(b".text", b"kernel").bytes();
    let with = |version| made(version).exact(b".uname", b"6").exact(b".osrel", b"ID=a").section(b".cmdline", b"ro", 3);
    let old: &[&[u8]] = &[b".linux\0", &linux, b".osrel\0", b"ID=a", b".cmdline\0", b"ro\0"];
    let new = [old, &[b".uname\0", b"6"]].concat();
    for (version, events) in [("252", old), ("257", &new)] {
        let found = values(&with(version), None, 11);
        assert_eq!(found[0], ("systemd has reached no phase".to_owned(), extended(events)), "{version}");
        let ready = [events, &[b"sysinit", b"ready"]].concat();
        assert_eq!(found[2], ("systemd has reached ready".to_owned(), extended(&ready)), "{version}");
    }
    let Forecast::Open { why } = forecast(&with("255"), None, 11) else { panic!("255 is not known") };
    assert!(why.contains("255"), "{why}");
}

#[test]
fn pcr_4_has_the_kernel_if_the_firmware_loads_it() {
    for (version, answers) in [
        ("252", &["Secure Boot is off", "Secure Boot is on"][..]),
        ("257", &["Secure Boot is off", "Secure Boot is on"]),
        ("259", &["the firmware loads the kernel", "the stub loads the kernel"]),
        ("262", &[]),
    ] {
        let Forecast::Follows { parts, .. } = forecast(&made(version), None, 4) else { panic!("{version}") };
        match parts.last().unwrap() {
            Part::Choice(choice) => {
                let found: Vec<_> = choice.answers.iter().map(|answer| answer.name.as_str()).collect();
                let from: Vec<_> = choice.answers.iter().flat_map(|answer| &answer.events).collect();
                assert_eq!((&found[..], from.len(), from[0].from.as_deref()), (answers, 1, Some("x.efi, .linux")));
            }
            Part::Event(event) => assert_eq!((answers.len(), event.from.as_deref()), (0, Some("x.efi"))),
            Part::Locality(_) => panic!("{version}"),
        }
    }
}

#[test]
fn a_command_line_from_outside_counts_unless_secure_boot_protects_that_of_the_section() {
    let inside = made("257").exact(b".cmdline", b"in console=ttyS0");
    let (own, other) = (utf16("in console=ttyS0"), utf16("out"));
    assert_eq!(values(&inside, None, 9), [(String::new(), extended(&[&own]))]);
    assert_eq!(values(&inside, None, 12), [(String::new(), extended(&[]))]);
    let (off, on) = ("Secure Boot is off".to_owned(), "Secure Boot is on".to_owned());
    let both = [(off.clone(), extended(&[&other])), (on.clone(), extended(&[&own]))];
    assert_eq!(values(&inside, Some("out"), 9), both);
    assert_eq!(values(&inside, Some("out"), 12), [(off, extended(&[&other])), (on, extended(&[]))]);
    for pcr in [9, 12] {
        assert_eq!(values(&made("257"), Some("out"), pcr), [(String::new(), extended(&[&other]))]);
        assert_eq!(values(&made("257"), Some(""), pcr), [(String::new(), extended(&[]))]);
        assert_eq!(values(&made("257"), Some(" "), pcr), [(String::new(), extended(&[]))]);
    }
}

#[test]
fn what_does_not_follow_has_a_reason() {
    let table = [
        (made("257").exact(b".profile", b"ID=x"), None, vec![9, 11, 12], "has several profiles"),
        (made("257").exact(b".dtbauto", b"x"), None, vec![9, 11, 12], "device trees"),
        (made("257"), Some("@1 a"), vec![9, 12], "chooses a profile"),
        (made("257"), Some("\u{1f600}"), vec![9, 12], "characters that systemd-stub drops"),
        (made("257").exact(b".cmdline", b"\xFF"), None, vec![9, 12], "is not UTF-8"),
        (made("262").exact(b".cmdline", b"ro"), None, vec![9], "adds a console"),
        (made("259"), None, vec![9, 12], "what systemd-stub 259 gives the kernel"),
        (made("252"), None, vec![0, 1, 2, 3, 5, 6, 7, 10, 13, 15], ""),
    ];
    for (made, append, pcrs, part) in table {
        for pcr in pcrs {
            let forecast = forecast(&made, append, pcr);
            assert!(matches!(&forecast, Forecast::Open { why } if why.contains(part)), "PCR {pcr}: {forecast:?}");
        }
    }
}

#[test]
fn the_version_of_the_kernel_decides_what_is_in_pcr_9() {
    let (words, magic) = (utf16("ro"), b"#### LoaderInfo: systemd-stub 252 ####");
    for (version, events) in
        [("5.10.0", vec![]), ("5.17.0", vec![b"initrd".as_slice()]), ("6.1.0", vec![&words, b"initrd".as_slice()])]
    {
        let made = MadePe::new().exact(b".sdmagic", magic).exact(b".linux", &MadePe::new().linux(version).bytes());
        let made = made.exact(b".cmdline", b"ro").exact(b".initrd", b"initrd");
        assert_eq!(values(&made, None, 9), [(String::new(), extended(&events))], "{version}");
        let assumes = |made: &MadePe| match forecast(made, None, 9) {
            Forecast::Follows { assumes, .. } => assumes.len(),
            Forecast::Open { why } => panic!("{why}"),
        };
        // A kernel that does not say its version needs one assumption more.
        assert_eq!(assumes(&made) + 1, assumes(&self::made("252").exact(b".cmdline", b"ro")));
    }
}

#[test]
fn an_initrd_that_the_command_line_names_is_measured_by_nothing() {
    let with_initrd = made("257").exact(b".initrd", b"initrd");
    for (made, append, expected) in [
        (made("257"), Some("initrd=\\x"), 1),
        (made("257").exact(b".cmdline", b"ro initrd=\\x"), None, 1),
        (made("257").exact(b".osrel", b"ID=a"), Some("initrd=\\x"), 0),
        (with_initrd, Some("initrd=\\x"), 0),
        (made("257"), Some("ro"), 0),
    ] {
        let bytes = made.bytes();
        let found = Uki::parse("x.efi", &bytes).unwrap().forecasts(append, &[BANK]).unwrap().unmeasured;
        assert_eq!(found.len(), expected, "{append:?}: {found:?}");
    }
}

#[test]
fn another_program_is_refused_by_name() {
    let magic = b"#### LoaderInfo: systemd-stub 257 ####";
    for (bytes, part) in [
        (b"no program".to_vec(), "x.efi: PE file: "),
        (MadePe::new().bytes(), "x.efi: .sdmagic: the file has no such section"),
        (MadePe::new().exact(b".sdmagic", magic).bytes(), "x.efi: has no kernel in a section .linux"),
    ] {
        let error = Uki::parse("x.efi", &bytes).unwrap_err().to_string();
        assert!(error.starts_with(part), "{error}");
    }
    let bytes = MadePe::new().exact(b".sdmagic", magic).exact(b".linux", b"no kernel").bytes();
    let error = Uki::parse("x.efi", &bytes).unwrap().forecasts(None, &[BANK]).unwrap_err().to_string();
    assert!(error.starts_with("x.efi, .linux: PE file: "), "{error}");
}
