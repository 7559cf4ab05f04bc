//! Event logs against programs that are not ours: logs of real firmware, and tpm2_eventlog as a reader of our own.
//!
//! The logs and their PCRs are from QEMU with swtpm, read by Linux 6.1: SeaBIOS of Debian's seabios 1.16.2, OVMF of its
//! ovmf 2022.11, which started the kernel itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod swtpm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use measureroot::eventlog::claim::Claim;
use measureroot::eventlog::header::Header;
use measureroot::eventlog::{EventType, Log, tcg};
use measureroot::hash::bank::Bank;
use measureroot::hash::digest::digests_of;
use measureroot::measure::measurement;
use measureroot::measure::pcr::{Pcr, PcrIndex, Pcrs};
use measureroot::tpm::EsysPcrs;
use swtpm::Swtpm;

const FIRMWARES: [&str; 2] = ["seabios", "ovmf"];

/// A file of a firmware's: `bin`, its log, or `pcrs`, what the TPM held.
fn fixture(firmware: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/eventlog/{firmware}.{kind}"))
}

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_measureroot")).arg("replay").args(arguments).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What tpm2_eventlog reads in a log, without a warning: its events' types, and its PCRs in the form of tpm2_pcrread.
fn tpm2_eventlog(log: &Path) -> (Vec<String>, String) {
    let output = Command::new("tpm2_eventlog").arg(log).output().expect("tpm2_eventlog: install tpm2-tools");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let text = text(&output.stdout);
    let (events, pcrs) = text.split_once("\npcrs:\n").expect("pcrs");
    let types = events.lines().filter_map(|line| line.trim().strip_prefix("EventType: ").map(str::to_owned));
    let upper = |line: &str| match line.split_once(" : 0x") {
        Some((pcr, value)) => format!("{}: 0x{}\n", pcr, value.to_uppercase()),
        None => format!("{line}\n"),
    };
    (types.collect(), pcrs.lines().map(upper).collect())
}

/// The values that `replay` prints, less the comments.
fn values(output: &Output) -> String {
    text(&output.stdout).lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// What the boot writes: a log of its own, with two events in PCR 13.
fn ours() -> Vec<u8> {
    let (header, pcr) = (Header::of(Bank::ALL.into_iter()), Pcr::from(PcrIndex::DEFAULT));
    let event = |text: &str, claim: &Claim| {
        tcg::encode(
            &header,
            pcr,
            EventType::EVENT_TAG,
            &digests_of(&Bank::ALL, text.as_bytes()),
            &claim.tagged().unwrap(),
        )
    };
    let image = event("image", &Claim::image("/rootfs.squashfs on /dev/vda", 5, "verity"));
    [header.encode(), image, event(measurement::FAILED, &Claim::failed())].concat()
}

#[test]
fn a_firmwares_log_leads_to_what_its_tpm_held() {
    for firmware in FIRMWARES {
        let (log, pcrs) = (fixture(firmware, "bin"), fixture(firmware, "pcrs"));
        let output = replay(&[path(&log), "--pcrs", path(&pcrs)]);
        assert_eq!(output.status.code(), Some(0), "{firmware}: {}", text(&output.stderr));
        let (types, read) = tpm2_eventlog(&log);
        assert_eq!(values(&output), read, "{firmware}");
        let log = measureroot::eventlog::parse(&fs::read(&log).unwrap()).unwrap();
        let named: Vec<_> = log.events().iter().map(measureroot::eventlog::Event::words).collect();
        // tpm2_eventlog counts the header as an event.
        assert_eq!(named.len(), types.len() - 1, "{firmware}");
        for (words, name) in named.iter().zip(&types[1..]) {
            assert_eq!(words.split(':').next(), Some(name.as_str()), "{firmware}");
        }
    }
    assert!(text(&replay(&[path(&fixture("ovmf", "bin"))]).stdout).contains("EV_EFI_VARIABLE_BOOT: BootOrder\n"));
}

#[test]
fn tpm2_eventlog_reads_our_log_alone_and_behind_a_firmwares() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("eventlog.bin");
    fs::write(&alone, ours()).unwrap();
    let (types, pcrs) = tpm2_eventlog(&alone);
    assert_eq!(types, ["EV_NO_ACTION", "EV_EVENT_TAG", "EV_EVENT_TAG"]);
    assert_eq!(values(&replay(&[path(&alone)])), pcrs);
    let header = Header::of(Bank::ALL.into_iter()).encode().len();
    for firmware in FIRMWARES {
        let both = folder.path().join(firmware);
        fs::write(&both, [fs::read(fixture(firmware, "bin")).unwrap(), ours()[header..].to_vec()].concat()).unwrap();
        let replayed = values(&replay(&[path(&both)]));
        assert_eq!(replayed, tpm2_eventlog(&both).1, "{firmware}");
        // In parts, and with what is in both of them.
        assert_eq!(values(&replay(&[path(&fixture(firmware, "bin")), path(&alone)])), replayed, "{firmware}");
        assert_eq!(values(&replay(&[path(&both), path(&alone)])), replayed, "{firmware}");
    }
}

#[test]
fn a_log_is_compared_with_a_tpm() {
    let swtpm = Swtpm::start("sha1,sha256");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("eventlog.bin");
    fs::write(&log, ours()).unwrap();
    let device = format!("--tpm={}", swtpm.device.display());
    let compare = || {
        let output = replay(&[path(&log), &device]);
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let (code, said) = compare();
    assert!(code == 1 && said.contains("PCR 13, sha256: ") && said.contains("none of its events happened"), "{said}");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let banks = tpm.banks(PcrIndex::DEFAULT).unwrap();
    measurement::extend(&mut tpm, PcrIndex::DEFAULT, &digests_of(&banks, b"image")).unwrap();
    let (code, said) = compare();
    assert!(code == 1 && said.contains("they part after event 1 (EV_EVENT_TAG: image, /rootfs.squashfs"), "{said}");
    measurement::extend_failed(&mut tpm, PcrIndex::DEFAULT).unwrap();
    let (code, said) = compare();
    assert!(code == 0 && said.contains("each value that was compared (2 PCR values)"), "{said}");
    // And with what tpm2_pcrread prints of it.
    let pcrs = folder.path().join("pcrs");
    fs::write(&pcrs, swtpm.tool("tpm2_pcrread", &[])).unwrap();
    let output = replay(&[path(&log), "--pcrs", path(&pcrs)]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    measurement::extend_failed(&mut tpm, PcrIndex::DEFAULT).unwrap();
    let (code, said) = compare();
    assert!(code == 1 && said.contains("changed, left out or added"), "{said}");
}

#[test]
fn every_byte_of_a_log_that_counts_is_missed() {
    let log: Log = measureroot::eventlog::parse(&ours()).unwrap();
    let held = log.replay();
    let mut unnoticed = 0;
    for at in 0..ours().len() {
        let mut changed = ours();
        changed[at] ^= 1;
        // Refused, or found out; or the byte is of those that nobody hashes: the header's version, and the words.
        unnoticed += usize::from(measureroot::eventlog::parse(&changed).is_ok_and(|log| log.compare(&held).agrees()));
    }
    let claims = [Claim::image("/rootfs.squashfs on /dev/vda", 5, "verity"), Claim::failed()];
    let words: usize = claims.iter().map(|claim| claim.tagged().unwrap().len()).sum();
    // Of the header the digest, class, version and UINTN; of the events the types, and what is said.
    assert_eq!(unnoticed, 20 + 4 + 3 + 1 + 2 * 4 + words);
}

#[test]
fn a_log_is_compared_with_a_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let (image, log, pcrs) = (folder.path().join("image"), folder.path().join("log"), folder.path().join("pcrs"));
    fs::write(&image, "image").unwrap();
    let predict = |pcr: &str| {
        let predict =
            Command::new(env!("CARGO_BIN_EXE_measureroot")).args(["predict", "--pcr", pcr]).arg(&image).output();
        fs::write(&pcrs, predict.unwrap().stdout).unwrap();
        let output = replay(&[path(&log), "--pcrs", path(&pcrs)]);
        (output.status.code().unwrap(), text(&output.stderr))
    };
    // Of our two events the image's alone.
    let (header, pcr) = (Header::of(Bank::ALL.into_iter()), Pcr::from(PcrIndex::DEFAULT));
    let event = tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests_of(&Bank::ALL, b"image"), b"");
    fs::write(&log, [header.encode(), event].concat()).unwrap();
    assert_eq!(predict("13").0, 0);
    let (code, said) = predict("12");
    assert!(code == 1 && said.contains("PCR 12, sha256: ") && said.contains("no event is about it"), "{said}");
    fs::write(&log, ours()).unwrap();
    let (code, said) = predict("13");
    assert!(code == 1 && said.contains("the events behind it did not happen"), "{said}");
}

#[test]
fn cel_json_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for firmware in FIRMWARES {
        let cel = replay(&[path(&fixture(firmware, "bin")), "--to", "cel"]).stdout;
        let records: serde_json::Value = serde_json::from_slice(&cel).unwrap();
        assert_eq!(records[0]["content_type"], "pcclient_std");
        let file = folder.path().join(firmware);
        fs::write(&file, cel).unwrap();
        let output = replay(&[path(&file), "--pcrs", path(&fixture(firmware, "pcrs"))]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn the_result_in_json() {
    let (log, pcrs) = (fixture("ovmf", "bin"), fixture("ovmf", "pcrs"));
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&replay(&[arguments, &["--json"]].concat()).stdout).unwrap()
    };
    let alone = json(&[path(&log)]);
    assert!(alone["agrees"].is_null() && alone["events"][0]["proven"].is_null());
    let compared = json(&[path(&log), "--pcrs", path(&pcrs)]);
    assert_eq!((&compared["agrees"], &compared["differences"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(
        (&compared["events"][0]["type"], &compared["events"][0]["proven"]),
        (&"EV_S_CRTM_VERSION".into(), &true.into())
    );
    let other = json(&[path(&log), "--pcrs", path(&fixture("seabios", "pcrs"))]);
    assert_eq!((&other["agrees"], &other["events"][0]["proven"]), (&false.into(), &false.into()));
    assert_eq!((&other["differences"][0]["pcr"], &other["differences"][0]["bank"]), (&0.into(), &"sha1".into()));
}

#[test]
fn evidence_that_cannot_be_read_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name)
    };
    let (cut, words) =
        (file("cut", &ours()[..100]), file("words", b"no log at all, but a text that is long enough to be one"));
    let log = fixture("ovmf", "bin");
    for (arguments, part) in [
        (vec![path(&cut)], "was the log cut off?"),
        (vec![path(&words)], "Spec ID Event03"),
        (vec!["/no/such/log"], "/no/such/log"),
        (vec![path(&log), "--pcrs", path(&words)], "expected the output of tpm2_pcrread"),
        (vec![path(&log), "--tpm=/dev/no-such-tpm"], "/dev/no-such-tpm"),
        (vec![path(&log), path(&log), "--to", "xml"], "xml"),
        (vec![], "LOG"),
    ] {
        let output = replay(&arguments);
        assert!(output.status.code() == Some(2) && text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
}
