//! Tests of what `verify` says of boots that differ from a prediction in one file.

use std::slice::from_ref;

use super::event::{ACTION, APPLICATION, Expected, IPL, SEPARATOR};
use super::expectation;
use super::forecast::{Forecast, Part, Question};
use super::forecasts::Forecasts;
use super::made_files::{Files, GOOD};
use super::made_machine::{MadeMachine, image};
use crate::evidence::allow_list::AllowList;
use crate::evidence::chain_judgement::ChainJudgement;
use crate::evidence::expected::chain::ExpectedChain;
use crate::evidence::pcr_result::PcrOutcome;
use crate::evidence::trusted_image::TrustedImage;
use crate::evidence::verdict::Verdict;
use crate::hash::bank::Bank;

const QUOTED: [u8; 10] = [0, 2, 4, 7, 8, 9, 11, 12, 13, 14];

/// The entry of a list for the good root image, as it is read back.
fn listed(boots: &[(&str, Forecasts)]) -> TrustedImage {
    let boots = boots.iter().map(|(name, forecasts)| expectation::boot(name, forecasts).unwrap().unwrap()).collect();
    let list = AllowList { images: vec![TrustedImage { chain: Some(ExpectedChain { boots }), ..image(GOOD.root) }] };
    let read: AllowList = list.to_json().unwrap().parse().unwrap();
    assert_eq!(read, list);
    read.images.into_iter().next().unwrap()
}

/// With what a log of such a machine tells: its firmware, and no driver.
fn of_a_known_machine(mut forecasts: Forecasts) -> Forecasts {
    for (pcr, bytes) in [(0, b"version"), (2, &[0; 7])] {
        let event = Expected::of(SEPARATOR, "the firmware", None, &[bytes], &[Bank::Sha256]);
        forecasts.follows(pcr, vec![Part::Event(event)], &[]);
    }
    forecasts
}

/// The words about each PCR that differs.
fn different(chain: &ChainJudgement) -> Vec<(u8, String)> {
    let different = chain.pcrs.iter().filter(|one| one.result == PcrOutcome::Different);
    different.map(|one| (one.pcr.get(), one.difference())).collect()
}

fn reason(verdict: &Verdict) -> &str {
    if let Verdict::NotTrusted(reason) = verdict { reason } else { panic!("{verdict:?}") }
}

fn first(_: Question) -> usize {
    0
}

#[test]
fn a_boot_as_predicted_is_trusted_whatever_the_machine_decides() {
    let boots =
        [("a.conf", GOOD.entry()), ("measured.efi", GOOD.uki(None))].map(|(name, one)| (name, of_a_known_machine(one)));
    let trusted = listed(&boots);
    for (name, forecasts) in &boots {
        for number in 0..3 {
            let answer = |question| {
                let is_asked = [Question::FailedBootOptions, Question::Phase].contains(&question);
                if is_asked { number } else { 0 }
            };
            for has_no_log in [false, true] {
                let machine = MadeMachine { has_no_log, ..MadeMachine::booted(forecasts, answer) };
                let (verdict, chain) = machine.judged(&QUOTED, from_ref(&trusted));
                assert_eq!(verdict, Verdict::Trusted(trusted.clone()), "{chain:?}");
                assert_eq!((&chain.compared.as_ref().unwrap().boot[..], chain.unchecked.words()), (*name, vec![]));
                let four = chain.pcrs.iter().find(|one| one.pcr.get() == 4).unwrap().words();
                let failed =
                    ["if the first boot option starts it", "if 1 boot option failed before", "if 2 boot options"];
                assert!(four.starts_with("PCR 4 is as expected: ") && four.contains(failed[number]), "{four}");
            }
        }
    }
}

#[test]
fn each_file_that_differs_alone_is_named() {
    let entry = listed(&[("a.conf", GOOD.entry())]);
    let other = |change: &dyn Fn(&mut Files)| {
        let mut files = GOOD;
        change(&mut files);
        files
    };
    let table: [(Files, &[u8], &str); 6] = [
        (
            other(&|files| files.loader = b"another"),
            &[4],
            "EFI/BOOT/BOOTX64.EFI (systemd-boot 257.13) differs: expected sha256 ",
        ),
        (other(&|files| files.kernel = b"another"), &[4], "vmlinuz (the kernel) differs: expected sha256 "),
        (other(&|files| files.initrd = b"another"), &[9], "initrd.img (the initrd) differs: expected sha256 "),
        (
            other(&|files| files.options = "root=/dev/vda ro init=/bin/sh"),
            &[9, 12],
            "the command line (loader/entries/a.conf) has \"init=/bin/sh\" added",
        ),
        (
            other(&|files| files.options = "root=/dev/vda"),
            &[9, 12],
            "the command line (loader/entries/a.conf) lacks \"ro\"",
        ),
        (other(&|files| files.root = b"another"), &[13], "root.squashfs (the root image) differs: expected sha256 "),
    ];
    for (files, pcrs, words) in table {
        let (verdict, chain) = MadeMachine::booted(&files.entry(), first).judged(&QUOTED, from_ref(&entry));
        let found = different(&chain);
        assert_eq!(found.iter().map(|(pcr, _)| *pcr).collect::<Vec<_>>(), pcrs, "{words}: {found:?}");
        assert!(found.iter().all(|(_, found)| found.contains(words)), "{words}: {found:?}");
        assert!(reason(&verdict).contains(words) || pcrs == [13], "{words}: {verdict:?}");
        assert!(!chain.unchecked.is_empty());
    }
    let uki = listed(&[("measured.efi", GOOD.uki(None))]);
    let table: [(Files, &[u8], &[&str]); 3] = [
        (
            other(&|files| files.os_release = b"ID=b"),
            &[4, 9, 11],
            &["measured.efi, .osrel (the content of .osrel) differs: "],
        ),
        (other(&|files| files.kernel = b"another"), &[4, 11], &["measured.efi, .linux (the kernel) differs: "]),
        (
            other(&|files| files.options = "rw"),
            &[4, 9, 11],
            &["measured.efi, .cmdline (the content of .cmdline) differs: "],
        ),
    ];
    for (files, pcrs, words) in table {
        let (verdict, chain) = MadeMachine::booted(&files.uki(None), first).judged(&QUOTED, from_ref(&uki));
        let found = different(&chain);
        assert_eq!(found.iter().map(|(pcr, _)| *pcr).collect::<Vec<_>>(), pcrs, "{found:?}");
        assert!(words.iter().all(|words| reason(&verdict).contains(words)), "{words:?}: {verdict:?}");
    }
}

#[test]
fn words_from_outside_are_told_from_the_files() {
    let trusted = listed(&[("measured.efi", GOOD.uki(None))]);
    let outside = MadeMachine::booted(&GOOD.uki(Some("root=/dev/vda ro init=/bin/sh")), first);
    let (verdict, chain) = outside.judged(&QUOTED, from_ref(&trusted));
    let found = different(&chain);
    assert_eq!(found.iter().map(|(pcr, _)| *pcr).collect::<Vec<_>>(), [9, 12]);
    // PCR 12 of the log has the text, and the digest in PCR 9 proves it.
    assert!(
        reason(&verdict).contains("PCR 9: the command line (measured.efi, .cmdline) has \"init=/bin/sh\" added"),
        "{verdict:?}"
    );
    assert!(
        found[1].1.contains("an event is not expected: sha256 ") && found[1].1.contains("init=/bin/sh"),
        "{found:?}"
    );
    // A log that lies about the text of PCR 12 proves nothing.
    let expected = listed(&[("measured.efi", GOOD.uki(Some("root=/dev/vda quiet")))]);
    let mut liar = outside;
    liar.events.iter_mut().filter(|event| event.pcr == 12).for_each(|event| event.data = b"quiet".to_vec());
    let (_, chain) = liar.judged(&QUOTED, from_ref(&expected));
    let found = different(&chain);
    assert!(
        found[1].1.contains("lacks \"root=/dev/vda\", as the log claims; the digest is not that of this text"),
        "{found:?}"
    );
    assert!(found[0].1.contains("differs: expected sha256 "), "{found:?}");
}

#[test]
fn what_the_firmware_did_before_is_told_in_words() {
    let (good, trusted) = (GOOD.entry(), listed(&[("a.conf", GOOD.entry())]));
    let before =
        |made: &MadeMachine, text: &str| made.events.iter().position(|event| event.data == text.as_bytes()).unwrap();
    // Six options failed; the prediction has up to four.
    let mut failed = MadeMachine::booted(&good, |question| if question == Question::FailedBootOptions { 4 } else { 0 });
    for _ in 0..2 {
        let at = before(&failed, "systemd-boot 257.13");
        failed.insert(at, 4, ACTION, b"Returning from EFI Application from Boot Option");
        failed.insert(at + 1, 4, ACTION, b"Calling EFI Application from Boot Option");
    }
    let (verdict, _) = failed.judged(&QUOTED, from_ref(&trusted));
    assert!(
        reason(&verdict).ends_with("PCR 4: 2 boot options failed before, beside those that are expected"),
        "{verdict:?}"
    );

    let mut unknown = MadeMachine::booted(&good, first);
    unknown.insert(before(&unknown, "systemd-boot 257.13"), 4, APPLICATION, b"evil");
    let (verdict, _) = unknown.judged(&QUOTED, from_ref(&trusted));
    let words = "PCR 4: an unknown EFI program was started before EFI/BOOT/BOOTX64.EFI (systemd-boot 257.13): sha256 ";
    assert!(reason(&verdict).contains(words), "{verdict:?}");

    let mut missing = MadeMachine::booted(&good, first);
    missing.events.retain(|event| event.data != b"the initrd");
    missing.insert(0, 8, IPL, b"grub_cmd: x");
    let (verdict, _) = missing.judged(&QUOTED, from_ref(&trusted));
    let reason = reason(&verdict);
    assert!(reason.contains("PCR 8: an event is not expected: sha256 "), "{reason}");
    assert!(reason.contains("PCR 9: initrd.img (the initrd) was not measured"), "{reason}");
    // Without a log, the value is all that is known.
    let (verdict, _) = MadeMachine { has_no_log: true, ..unknown }.judged(&QUOTED, from_ref(&trusted));
    assert!(self::reason(&verdict).contains("does not follow from the files, and no log tells why"), "{verdict:?}");
}

#[test]
fn of_the_entries_of_a_menu_the_closest_one_is_compared() {
    let with = |options| Files { options, ..GOOD }.entry();
    let boots =
        [("a.conf", with("rescue single root=/dev/vdb")), ("b.conf", GOOD.entry()), ("c.conf", with("quiet ro"))];
    let machine = MadeMachine::booted(&with("root=/dev/vda ro init=/bin/sh"), first);
    let (verdict, chain) = machine.judged(&QUOTED, &[listed(&boots)]);
    assert_eq!(chain.compared.unwrap().boot, "b.conf");
    assert!(reason(&verdict).ends_with("has \"init=/bin/sh\" added"), "{verdict:?}");
}

#[test]
fn what_is_measured_beside_the_files_is_not_taken_for_another_answer() {
    let (good, trusted) = (GOOD.uki(None), listed(&[("measured.efi", GOOD.uki(None))]));
    for phases in [0, 1, 4] {
        let mut machine = MadeMachine::booted(&good, |question| if question == Question::Phase { phases } else { 0 });
        let at = machine.events.iter().position(|event| event.data == b"the phase sysinit");
        let at = at.unwrap_or_else(|| machine.events.iter().rposition(|event| event.pcr == 11).unwrap() + 1);
        machine.insert(at, 11, IPL, b".splash");
        machine.insert(at + 1, 11, IPL, b"a picture");
        let (verdict, _) = machine.judged(&QUOTED, from_ref(&trusted));
        let reason = reason(&verdict);
        assert!(
            reason.matches("an event is not expected: sha256 ").count() == 2 && !reason.contains("phase"),
            "{reason}"
        );
    }
}

#[test]
fn a_question_has_one_answer_in_all_pcrs() {
    let forecasts = GOOD.uki(Some("root=/dev/vda quiet"));
    let trusted = listed(&[("measured.efi", GOOD.uki(Some("root=/dev/vda quiet")))]);
    let off = MadeMachine::booted(&forecasts, first);
    let on = MadeMachine::booted(&forecasts, |question| usize::from(question == Question::SecureBoot));
    for machine in [&off, &on] {
        assert!(matches!(machine.judged(&QUOTED, from_ref(&trusted)).0, Verdict::Trusted(_)));
    }
    // PCR 12 says that Secure Boot is off, PCR 9 that it is on.
    for has_no_log in [false, true] {
        let mut both = MadeMachine { has_no_log, ..on.clone() };
        both.events.retain(|event| event.pcr != 12);
        both.events.extend(off.events.iter().filter(|event| event.pcr == 12).cloned());
        let (verdict, _) = both.judged(&QUOTED, from_ref(&trusted));
        assert!(
            reason(&verdict).contains("PCR 12: its value follows from other answers than those of the other PCRs"),
            "{verdict:?}"
        );
    }
}

/// What the files never tell.
const NO_FIRMWARE: &str = "nothing vouches for PCR 0, 2 (the firmware)";

#[test]
fn what_is_not_quoted_or_not_predicted_is_said() {
    let trusted = listed(&[("a.conf", GOOD.entry())]);
    let machine = MadeMachine::booted(&GOOD.entry(), first);
    // A machine must not choose what its quote leaves out.
    let (verdict, chain) = machine.judged(&[4, 7, 12, 13], from_ref(&trusted));
    assert!(reason(&verdict).ends_with("and PCR 8, 9 is not quoted"), "{verdict:?}");
    assert_eq!(chain.unchecked.words(), [NO_FIRMWARE, "nothing vouches for PCR 8, 9"]);
    let words: Vec<_> = chain.pcrs.iter().map(crate::evidence::pcr_result::PcrResult::words).collect();
    for part in [
        "PCR 7 is not predicted, and nothing vouches for it",
        "PCR 9 is not quoted in a bank that counts, so nothing vouches for it",
    ] {
        assert!(words.iter().any(|words| words == part), "{words:?}");
    }
    // An entry without a chain for the same image does not make the chain void.
    let other = MadeMachine::booted(&Files { kernel: b"another", ..GOOD }.entry(), first);
    let (verdict, _) = other.judged(&QUOTED, &[image(GOOD.root), trusted]);
    assert!(reason(&verdict).contains("vmlinuz"), "{verdict:?}");
    let (verdict, chain) = other.judged(&QUOTED, &[image(GOOD.root)]);
    assert!(reason(&verdict).contains("what started the agent was not checked: ") && chain.compared.is_none());
    let words = chain.unchecked.words();
    assert_eq!(words[..2], [NO_FIRMWARE, "nothing vouches for PCR 4, 8, 9, 12"]);
    assert!(words[2].contains("expects nothing of it"), "{words:?}");
}

#[test]
fn the_locality_that_starts_the_tpm_is_a_part_of_pcr_0() {
    let from = |locality: u8| {
        let mut forecasts = of_a_known_machine(GOOD.entry());
        let Some(Forecast::Follows { parts, .. }) = forecasts.pcrs.get_mut(&0) else { panic!("it follows") };
        if locality > 0 {
            parts.insert(0, Part::Locality(locality));
        }
        forecasts
    };
    for (expected, booted) in [(3, 3), (0, 0), (3, 0), (0, 3), (3, 4)] {
        let trusted = listed(&[("a.conf", from(expected))]);
        for has_no_log in [false, true] {
            let machine = MadeMachine { has_no_log, ..MadeMachine::booted(&from(booted), first) };
            let (verdict, chain) = machine.judged(&QUOTED, from_ref(&trusted));
            if expected == booted {
                assert!(matches!(verdict, Verdict::Trusted(_)) && chain.unchecked.is_empty(), "{verdict:?}");
            } else {
                let words = format!("PCR 0: the TPM was started from locality {booted}, not from {expected}");
                let words = if has_no_log { "PCR 0: its value, " } else { words.as_str() };
                assert!(reason(&verdict).contains(words), "{verdict:?}");
            }
        }
    }
}

#[test]
fn a_chain_with_an_event_too_much_is_not_checked() {
    let forecasts = of_a_known_machine(GOOD.entry());
    let mut machine = MadeMachine::booted(&forecasts, first);
    machine.insert(0, 11, IPL, b"a section");
    let (verdict, chain) = machine.judged(&QUOTED, &[listed(&[("a.conf", forecasts)])]);
    assert!(reason(&verdict).contains("PCR 11"), "{verdict:?}");
    assert_eq!(chain.unchecked.words(), ["PCR 11 is not as expected"]);
}

#[test]
fn what_the_running_system_measures_behind_the_agent_is_named_so() {
    let forecasts = of_a_known_machine(GOOD.entry());
    let anchor: &[u8] = b"nvpcr-init:cryptsetup:0x1d10201:sha256:00";
    for (at, words) in [
        (usize::MAX, "the system that runs extended it behind the agent: "),
        // Before the agent, it is something else, whatever it is called.
        (0, "an event is not expected: "),
    ] {
        let mut machine = MadeMachine::booted(&forecasts, first);
        machine.insert(at.min(machine.events()), 9, IPL, anchor);
        let (verdict, _) = machine.judged(&QUOTED, &[listed(&[("a.conf", forecasts.clone())])]);
        assert!(reason(&verdict).contains(&format!("PCR 9: {words}")), "{verdict:?}");
    }
}

#[test]
fn a_boot_that_runs_unmeasured_bytes_is_not_checked() {
    let mut forecasts = GOOD.entry();
    forecasts.unmeasured.push("the device tree x.dtb".to_owned());
    let (_, chain) =
        MadeMachine::booted(&forecasts, first).judged(&QUOTED, &[listed(&[("a.conf", forecasts.clone())])]);
    assert_eq!(chain.unchecked.words(), [NO_FIRMWARE, "not measured: the device tree x.dtb"]);
    // Of two alternatives that fit, the quote does not tell which one it was.
    let boots = [("a.conf", GOOD.entry()), ("b.conf", forecasts.clone())];
    let (_, chain) = MadeMachine::booted(&forecasts, first).judged(&QUOTED, &[listed(&boots)]);
    assert_eq!(chain.compared.unwrap().boot, "b.conf");
    // Nothing vouches for the agent of such an entry.
    assert_eq!(expectation::boot("x", &Forecasts::of_unknown("it is another program")).unwrap(), None);
}
