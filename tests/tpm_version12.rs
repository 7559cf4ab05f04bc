//! A software TPM 1.2, through its three commands, and over a bus that spoils them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod swtpm;

use std::path::Path;
use std::time::{Duration, Instant};

use common::measureroot;
use measureroot::internal::error::Result;
use measureroot::internal::eventlog::{EventType, tcg_sha1};
use measureroot::internal::hash::{Bank, Digest, digests_of};
use measureroot::internal::measure::measurement::{self, Report};
use measureroot::internal::measure::{PcrIndex, Pcrs, Session, SessionChoice, TpmVersion};
use measureroot::internal::tpm::{EsysPcrs, Version12, is_version12};
use swtpm::Swtpm;
use swtpm::bus::{Bus, Interposer, answer, code};
use swtpm::version12::{EXTEND, GET_CAPABILITY, PCR_READ, RSP_COMMAND};

const PCR: PcrIndex = PcrIndex::DEFAULT;
const COMMANDS: [u32; 3] = [GET_CAPABILITY, PCR_READ, EXTEND];

/// Measures the image `image`, as the boot does.
fn measure_within(patience: Duration, device: &Path) -> Result<Report> {
    let mut tpm = Version12::open(device)?.within(patience).unprotected(SessionChoice::None)?;
    let banks = tpm.banks(PCR)?;
    measurement::extend(&mut tpm, PCR, &digests_of(&banks, b"image"))
}

fn measure(device: &Path) -> Result<Report> {
    measure_within(Duration::from_secs(60), device)
}

/// The value of a PCR that was zero, after these texts.
fn after(texts: &[&str]) -> Digest {
    let extend = |pcr: Digest, text: &&str| pcr.extended(Bank::Sha1, &Bank::Sha1.digest(text.as_bytes()));
    texts.iter().fold(Digest::zero(Bank::Sha1), extend)
}

#[test]
fn the_only_bank_is_extended_and_read_back() {
    let swtpm = Swtpm::start_version12();
    let report = measure(&swtpm.device).unwrap();
    assert_eq!(report.banks.keys().collect::<Vec<_>>(), [&Bank::Sha1]);
    assert_eq!((report.session, report.tpms), (Some(Session::None), vec![TpmVersion::V1_2]));
    assert_eq!(report.banks[&Bank::Sha1].before, Digest::zero(Bank::Sha1));
    assert_eq!(swtpm.pcr_of_version12(13), report.banks[&Bank::Sha1].after.to_string());
    assert_eq!(swtpm.pcr_of_version12(13), after(&["image"]).to_string());
    let mut tpm = Version12::open(&swtpm.device).unwrap();
    measurement::extend_failed(&mut tpm, PCR, &[]).unwrap();
    assert_eq!(swtpm.pcr_of_version12(13), after(&["image", "measureroot: failed"]).to_string());
    assert!(tpm.extend(PCR, &digests_of(&[Bank::Sha256], b"image")).is_err());
    assert!(tpm.extend(PCR, &digests_of(&Bank::ALL, b"image")).is_err());
    assert_eq!(swtpm.pcr_of_version12(13), after(&["image", "measureroot: failed"]).to_string());
}

#[test]
fn a_session_that_is_required_is_refused() {
    let swtpm = Swtpm::start_version12();
    let open = |choice| Version12::open(&swtpm.device).unwrap().unprotected(choice).map(|_| ());
    assert_eq!(open(SessionChoice::Hmac).unwrap_err().object(), "session");
    assert_eq!((open(SessionChoice::Auto), open(SessionChoice::None)), (Ok(()), Ok(())));
}

/// Its device cannot be opened twice: the kernel has no resource manager for it. Here, each open file gets its own answers.
#[test]
fn a_device_that_this_program_holds_is_used_together() {
    let bus = Bus::with(&Swtpm::start_version12(), Box::new(|command, tpm| tpm(command)));
    let first = Version12::open(&bus.device).unwrap();
    let open = || {
        let device = bus.device.canonicalize().unwrap();
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == device)).count()
    };
    let count = open();
    let second = Version12::open(&bus.device).unwrap();
    assert_eq!(open(), count);
    drop(first);
    assert_eq!(open(), count, "the second one still has it");
    drop(second);
    assert_eq!(open(), count - 1);
}

#[test]
fn a_command_tells_the_version() {
    let (old, new) = (Swtpm::start_version12(), Swtpm::start("sha256"));
    assert!(is_version12(&old.device) && !is_version12(&new.device));
    // Both still work.
    measure(&old.device).unwrap();
    assert_eq!(EsysPcrs::open(&new.device).unwrap().banks(PCR).unwrap(), [Bank::Sha256]);
    // And each says what the other is.
    let error = measure(&new.device).unwrap_err().to_string();
    assert!(error.starts_with("TPM_GetCapability") && error.contains("TPM 2.0"), "{error}");
    let error = EsysPcrs::open(&old.device).unwrap().banks(PCR).unwrap_err().to_string();
    assert!(error.contains("TPM 1.2"), "{error}");
}

/// `TPM_RETRY`, `TPM_DOING_SELFTEST` (TPM Main, Part 2, section 16).
#[test]
fn a_busy_tpm_1_2_is_asked_again() {
    let swtpm = Swtpm::start_version12();
    for (nth, busy) in [0x800, 0x802].into_iter().enumerate() {
        let mut answered = 0;
        let interposer: Interposer = Box::new(move |command, tpm| {
            answered += 1;
            if answered % 3 != 0 { answer(RSP_COMMAND, busy, &[]) } else { tpm(command) }
        });
        let bus = Bus::with(&swtpm, interposer);
        let report = measure(&bus.device).unwrap_or_else(|error| panic!("0x{busy:x}: {error}"));
        assert_eq!(report.banks[&Bank::Sha1].after, after(&vec!["image"; nth + 1]), "0x{busy:x}: extended once");
        // Two of three had the answer that the TPM is busy.
        let extends = bus.codes().into_iter().filter(|code| *code == EXTEND).count();
        assert_eq!(extends, 3);
    }
}

#[test]
fn a_silent_or_malformed_answer_is_named_so() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    const PATIENCE: Duration = Duration::from_secs(1);
    let spoils: [(&str, Spoil, &str); 9] = [
        ("silent", |answer| answer, "no answer in 1 s"),
        ("always busy", |_| answer(RSP_COMMAND, 0x800, &[]), "still busy after 1 s (0x800)"),
        ("longer than it says", |answer| [answer, vec![0]].concat(), "another size"),
        ("of a TPM 2.0", |answer| [&[0x80, 1], &answer[2..]].concat(), "TPM 2.0"),
        ("with a wrong tag", |answer| [&[0, 0xc5], &answer[2..]].concat(), "unknown tag"),
        ("a header only", |_| answer(RSP_COMMAND, 0, &[]), "malformed"),
        ("half a header", |_| vec![0, 0xc4, 0, 0, 0, 0], "no whole header"),
        ("nonsense inside", |_| answer(RSP_COMMAND, 0, &[0xff; 100]), "malformed"),
        ("a refusal", |_| answer(RSP_COMMAND, 6, &[]), "TPM_DEACTIVATED"),
    ];
    let swtpm = Swtpm::start_version12();
    for at in COMMANDS {
        for (name, spoil, cause) in spoils {
            let interposer: Interposer = Box::new(move |command, tpm| {
                let answer = tpm(command);
                if code(command) != at {
                    return answer;
                }
                if name == "silent" {
                    // It answers in the end, so that the test can end.
                    std::thread::sleep(3 * PATIENCE);
                }
                spoil(answer)
            });
            let (start, bus) = (Instant::now(), Bus::with(&swtpm, interposer));
            let error = measure_within(PATIENCE, &bus.device).expect_err(name).to_string();
            assert!(error.starts_with("TPM_") && error.contains(cause), "0x{at:x}, {name}: {error}");
            assert!(start.elapsed() < 3 * PATIENCE, "0x{at:x}, {name}: {:?}", start.elapsed());
        }
    }
}

/// An attacker on the bus, or another program.
#[test]
fn an_extend_that_is_dropped_or_doubled_is_noticed() {
    let drop: Interposer = Box::new(|command, tpm| match code(command) {
        EXTEND => answer(RSP_COMMAND, 0, &[7; 20]),
        _ => tpm(command),
    });
    let double: Interposer = Box::new(|command, tpm| {
        if code(command) == EXTEND {
            tpm(command);
        }
        tpm(command)
    });
    for interposer in [drop, double] {
        let error = measure(&Bus::with(&Swtpm::start_version12(), interposer).device).unwrap_err().to_string();
        assert!(error.contains("after the extend, not"), "{error}");
    }
}

#[test]
fn replay_compares_with_a_tpm_1_2() {
    let swtpm = Swtpm::start_version12();
    measure(&swtpm.device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (text, code) in [(&b"image"[..], 0), (b"another", 1)] {
        let event = tcg_sha1::encode(PCR.into(), EventType::EVENT_TAG, &digests_of(&[Bank::Sha1], text), text);
        let log = folder.path().join("log");
        std::fs::write(&log, event).unwrap();
        let ran = measureroot(&["replay", &format!("--tpm={}", swtpm.device.display()), log.to_str().unwrap()]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.to_lowercase().contains(&after(&[std::str::from_utf8(text).unwrap()]).to_string()), "{ran:?}");
    }
}
