//! Event logs against other programs: measureroot reads the logs of real firmware, and tpm2_eventlog reads measureroot's log.
//!
//! The firmware's logs and PCRs come from QEMU with swtpm, read by Linux 6.1. The firmwares are Debian's seabios 1.16.2 and its
//! ovmf 2022.11, which started the kernel itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod swtpm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{ROOT, Ran, measureroot, squashfs, text};
use measureroot::internal::eventlog::{Claim, EventType, Header, Log, tcg};
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::{Pcr, PcrIndex, Pcrs, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;

const FIRMWARES: [&str; 2] = ["seabios", "ovmf"];

/// The log of a firmware.
fn log_of(firmware: &str) -> PathBuf {
    Path::new(ROOT).join(format!("tests/eventlog/{firmware}.bin"))
}

/// The PCRs after that firmware, as tpm2_pcrread prints them.
fn pcrs_of(firmware: &str) -> PathBuf {
    Path::new(ROOT).join(format!("tests/eventlog/{firmware}.pcrs"))
}

fn replay(arguments: &[&str]) -> Ran {
    measureroot(&[&["replay"], arguments].concat())
}

/// What tpm2_eventlog reads in a log.
struct Replayed {
    /// The types of its events, with the header as the first one.
    types: Vec<String>,
    /// The PCRs in the form of tpm2_pcrread.
    pcrs: String,
}

/// Reads a log with tpm2_eventlog. A warning is an error.
fn tpm2_eventlog(log: &Path) -> Replayed {
    let output = Command::new("tpm2_eventlog").arg(log).output().expect("tpm2_eventlog: install tpm2-tools");
    let Ran { code, out, err } = output.into();
    assert!(code == 0 && err.is_empty(), "{err}");
    let (events, pcrs) = out.split_once("\npcrs:\n").expect("pcrs");
    let types = events.lines().filter_map(|line| line.trim().strip_prefix("EventType: ").map(str::to_owned));
    let upper = |line: &str| match line.split_once(" : 0x") {
        Some((pcr, value)) => format!("{}: 0x{}\n", pcr, value.to_uppercase()),
        None => format!("{line}\n"),
    };
    Replayed { types: types.collect(), pcrs: pcrs.lines().map(upper).collect() }
}

/// The values that `replay` prints, without the comments.
fn values(replayed: &Ran) -> String {
    replayed.out.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect()
}

/// A log of a boot, with two events in PCR 13.
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
fn the_log_of_a_firmware_leads_to_the_values_in_its_tpm() {
    for firmware in FIRMWARES {
        let (log, pcrs) = (log_of(firmware), pcrs_of(firmware));
        let replayed = replay(&[text(&log), "--pcrs", text(&pcrs)]);
        assert_eq!(replayed.code, 0, "{firmware}: {}", replayed.err);
        let Replayed { types, pcrs } = tpm2_eventlog(&log);
        assert_eq!(values(&replayed), pcrs, "{firmware}");
        let log = measureroot::internal::eventlog::parse(&fs::read(&log).unwrap()).unwrap();
        let named: Vec<_> = log.events().iter().map(measureroot::internal::eventlog::Event::describe).collect();
        assert_eq!(named.len(), types.len() - 1, "{firmware}");
        for (words, name) in named.iter().zip(&types[1..]) {
            assert_eq!(words.split(':').next(), Some(name.as_str()), "{firmware}");
        }
    }
    assert!(replay(&[text(&log_of("ovmf"))]).out.contains("EV_EFI_VARIABLE_BOOT: BootOrder: 0000\n"));
}

#[test]
fn tpm2_eventlog_reads_measureroot_s_log_alone_and_behind_that_of_a_firmware() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("eventlog.bin");
    fs::write(&alone, ours()).unwrap();
    let Replayed { types, pcrs } = tpm2_eventlog(&alone);
    assert_eq!(types, ["EV_NO_ACTION", "EV_EVENT_TAG", "EV_EVENT_TAG"]);
    assert_eq!(values(&replay(&[text(&alone)])), pcrs);
    let header = Header::of(Bank::ALL.into_iter()).encode().len();
    for firmware in FIRMWARES {
        let both = folder.path().join(firmware);
        fs::write(&both, [fs::read(log_of(firmware)).unwrap(), ours()[header..].to_vec()].concat()).unwrap();
        let replayed = values(&replay(&[text(&both)]));
        assert_eq!(replayed, tpm2_eventlog(&both).pcrs, "{firmware}");
        // From two files, also if measureroot's events are in both.
        assert_eq!(values(&replay(&[text(&log_of(firmware)), text(&alone)])), replayed, "{firmware}");
        assert_eq!(values(&replay(&[text(&both), text(&alone)])), replayed, "{firmware}");
    }
}

#[test]
fn a_log_is_compared_with_a_tpm() {
    let swtpm = Swtpm::start("sha1,sha256");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("eventlog.bin");
    fs::write(&log, ours()).unwrap();
    let device = format!("--tpm={}", swtpm.device.display());
    let compare = || replay(&[text(&log), &device]);
    let Ran { code, err, .. } = compare();
    assert!(code == 1 && err.contains("PCR 13, sha256: ") && err.contains("none of its events happened"), "{err}");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    let banks = tpm.banks(PcrIndex::DEFAULT).unwrap();
    measurement::extend(&mut tpm, PcrIndex::DEFAULT, &digests_of(&banks, b"image")).unwrap();
    let Ran { code, err, .. } = compare();
    assert!(code == 1 && err.contains("they diverge after event 1 (EV_EVENT_TAG: image, /rootfs.squashfs"), "{err}");
    measurement::extend_failed(&mut tpm, PcrIndex::DEFAULT, &[]).unwrap();
    let Ran { code, err, .. } = compare();
    assert!(code == 0 && err.contains("each value that was compared (2 PCR values)"), "{err}");
    // The output of tpm2_pcrread gives the same result.
    let pcrs = folder.path().join("pcrs");
    fs::write(&pcrs, swtpm.tool("tpm2_pcrread", &[])).unwrap();
    let Ran { code, err, .. } = replay(&[text(&log), "--pcrs", text(&pcrs)]);
    assert_eq!(code, 0, "{err}");
    measurement::extend_failed(&mut tpm, PcrIndex::DEFAULT, &[]).unwrap();
    let Ran { code, err, .. } = compare();
    assert!(code == 1 && err.contains("changed, left out or added"), "{err}");
}

#[test]
fn a_change_of_any_measured_byte_of_a_log_is_noticed() {
    let log: Log = measureroot::internal::eventlog::parse(&ours()).unwrap();
    let held = log.replay();
    let mut unnoticed = 0;
    for at in 0..ours().len() {
        let mut changed = ours();
        changed[at] ^= 1;
        // The log is refused, or it does not lead to the PCRs. Otherwise no digest covers the byte.
        unnoticed +=
            usize::from(measureroot::internal::eventlog::parse(&changed).is_ok_and(|log| log.compare(&held).agrees()));
    }
    let claims = [Claim::image("/rootfs.squashfs on /dev/vda", 5, "verity"), Claim::failed()];
    let descriptions: usize = claims.iter().map(|claim| claim.tagged().unwrap().len()).sum();
    // In the header these are the digest, class, version and UINTN. In the events they are the types and the descriptions.
    assert_eq!(unnoticed, 20 + 4 + 3 + 1 + 2 * 4 + descriptions);
}

#[test]
fn a_log_is_compared_with_a_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let (image, log, pcrs) = (folder.path().join("image"), folder.path().join("log"), folder.path().join("pcrs"));
    fs::write(&image, squashfs(b"image")).unwrap();
    let compare = |pcr: &str| {
        fs::write(&pcrs, measureroot(&["predict", "--pcr", pcr, text(&image)]).out).unwrap();
        replay(&[text(&log), "--pcrs", text(&pcrs)])
    };
    // A log with the event of the image alone.
    let (header, pcr) = (Header::of(Bank::ALL.into_iter()), Pcr::from(PcrIndex::DEFAULT));
    let event = tcg::encode(&header, pcr, EventType::EVENT_TAG, &digests_of(&Bank::ALL, &squashfs(b"image")), b"");
    fs::write(&log, [header.encode(), event.clone()].concat()).unwrap();
    assert_eq!(compare("13").code, 0);
    let Ran { code, err, .. } = compare("12");
    assert!(code == 1 && err.contains("PCR 12, sha256: ") && err.contains("no event extends it"), "{err}");
    let failed = digests_of(&Bank::ALL, measurement::FAILED.as_bytes());
    let failed = tcg::encode(&header, pcr, EventType::EVENT_TAG, &failed, b"");
    fs::write(&log, [header.encode(), event, failed].concat()).unwrap();
    let Ran { code, err, .. } = compare("13");
    assert!(code == 1 && err.contains("the later events did not happen"), "{err}");
}

#[test]
fn a_log_in_cel_json_leads_to_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    for firmware in FIRMWARES {
        let cel = replay(&[text(&log_of(firmware)), "--to", "cel"]);
        assert_eq!(cel.json()[0]["content_type"], "pcclient_std");
        let file = folder.path().join(firmware);
        fs::write(&file, cel.out).unwrap();
        let Ran { code, err, .. } = replay(&[text(&file), "--pcrs", text(&pcrs_of(firmware))]);
        assert_eq!(code, 0, "{err}");
    }
}

#[test]
fn the_result_can_be_json() {
    let (log, pcrs) = (log_of("ovmf"), pcrs_of("ovmf"));
    let json = |arguments: &[&str]| replay(&[arguments, &["--json"]].concat()).json();
    let alone = json(&[text(&log)]);
    assert!(alone["agrees"].is_null() && alone["events"][0]["proven"].is_null());
    let compared = json(&[text(&log), "--pcrs", text(&pcrs)]);
    assert_eq!((&compared["agrees"], &compared["differences"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(
        (&compared["events"][0]["type"], &compared["events"][0]["proven"]),
        (&"EV_S_CRTM_VERSION".into(), &true.into())
    );
    let other = json(&[text(&log), "--pcrs", text(&pcrs_of("seabios"))]);
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
    let log = log_of("ovmf");
    for (arguments, part) in [
        (vec![text(&cut)], "was it cut off?"),
        (vec![text(&words)], "Spec ID Event03"),
        (vec!["/no/such/log"], "/no/such/log"),
        (vec![text(&log), "--pcrs", text(&words)], "expected the output of tpm2_pcrread"),
        (vec![text(&log), "--tpm=/dev/no-such-tpm"], "/dev/no-such-tpm"),
        (vec![text(&log), text(&log), "--to", "xml"], "xml"),
        (vec![], "LOG"),
    ] {
        let Ran { code, err, .. } = replay(&arguments);
        assert!(code == 2 && err.contains(part), "{err}");
    }
}
