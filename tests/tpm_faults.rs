//! A TPM that is busy, silent or broken: each command ends, and the error names the cause.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use std::time::{Duration, Instant};

use measureroot::internal::measure::SessionChoice;
use swtpm::Swtpm;
use swtpm::attacks::{BANK, NO_SESSIONS, after};
use swtpm::bus::{
    Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, Interposer, PCR_EXTEND, PCR_READ, START_AUTH_SESSION, answer,
    code,
};

/// All commands of a boot.
const COMMANDS: [u32; 6] = [CREATE_PRIMARY, START_AUTH_SESSION, FLUSH_CONTEXT, GET_CAPABILITY, PCR_READ, PCR_EXTEND];

/// `TPM_RC_YIELDED`, `TPM_RC_CANCELED`, `TPM_RC_TESTING`, `TPM_RC_NV_RATE`, `TPM_RC_RETRY` (TPM 2.0 Library, Part 2, section
/// 6.6.3).
const BUSY: [u32; 5] = [0x908, 0x909, 0x90a, 0x920, 0x922];

/// Each command is answered twice with `busy` first; the extend six times: more often than ESYS sends a command again.
fn busy_at_first(busy: u32) -> Interposer {
    let mut answered = 0;
    Box::new(move |command, tpm| {
        answered += 1;
        if answered <= if code(command) == PCR_EXTEND { 6 } else { 2 } {
            return answer(NO_SESSIONS, busy, &[]);
        }
        answered = 0;
        tpm(command)
    })
}

#[test]
fn a_busy_tpm_is_asked_again() {
    let swtpm = Swtpm::start("sha256");
    for (nth, busy) in BUSY.into_iter().enumerate() {
        let bus = Bus::with(&swtpm, busy_at_first(busy));
        let report = bus.measure(SessionChoice::Hmac).unwrap_or_else(|error| panic!("0x{busy:x}: {error}"));
        assert_eq!(report.banks[&BANK].after.to_string(), swtpm.tpm2_pcrread("sha256"), "0x{busy:x}");
        assert_eq!(report.banks[&BANK].after, after(&vec!["image"; nth + 1]), "0x{busy:x}: extended once");
    }
}

#[test]
fn a_tpm_that_stays_busy_or_silent_fails_in_time_and_is_named_so() {
    let patience = Duration::from_secs(1);
    let swtpm = Swtpm::start("sha256");
    for at in COMMANDS {
        let busy: Interposer = Box::new(move |command, tpm| match code(command) {
            code if code == at => answer(NO_SESSIONS, 0x922, &[]),
            _ => tpm(command),
        });
        // It answers in the end, so that the test can end.
        let silent: Interposer = Box::new(move |command, tpm| {
            if code(command) == at {
                std::thread::sleep(3 * patience);
            }
            tpm(command)
        });
        for (interposer, cause) in [(busy, "still busy after 1 s (0x922)"), (silent, "no answer in 1 s")] {
            let (start, bus) = (Instant::now(), Bus::with(&swtpm, interposer));
            let error = bus.measure_within(patience, SessionChoice::Hmac).expect_err(cause);
            assert!(error.to_string().contains(cause), "0x{at:x}: {error}");
            assert!(error.object().starts_with("TPM2_"), "0x{at:x}: {error}");
            assert!(start.elapsed() < 3 * patience, "0x{at:x}: {cause}: {:?}", start.elapsed());
        }
    }
}

/// Each error of the TPM has its name and a hint of its own.
#[test]
fn an_error_of_the_tpm_has_its_own_name_and_hint() {
    let table = [
        (0x100, "TPM_RC_INITIALIZE", "reset after the kernel"),
        (0x101, "TPM_RC_FAILURE", "off and on"),
        (0x127, "TPM_RC_PCR", "rootimgpcr="),
        (0x12d, "TPM_RC_UPGRADE", "firmware"),
        (0x143, "TPM_RC_COMMAND_CODE", "TPM 2.0"),
        (0x904, "TPM_RC_MEMORY", "earlier user"),
        (0x907, "TPM_RC_LOCALITY", "locality 0"),
        (0x910, "TPM_RC_REFERENCE_H", "reset"),
        (0x918, "TPM_RC_REFERENCE_S", "another program"),
        (0x923, "TPM_RC_NV_UNAVAILABLE", "off and on"),
        (0x9a2, "authorization failure", "attacker"),
        (0x98e, "the authorization HMAC check failed", "attacker"),
        (0x1c4, "value is out of range", "Part 2"),
        // A code of the manufacturer.
        (0x5aa, "0x5aa", "manufacturer"),
    ];
    let swtpm = Swtpm::start("sha256");
    for (with, name, hint) in table {
        let refusing: Interposer = Box::new(move |command, tpm| match code(command) {
            PCR_EXTEND => answer(NO_SESSIONS, with, &[]),
            _ => tpm(command),
        });
        let error = Bus::with(&swtpm, refusing).measure(SessionChoice::Auto).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("TPM2_PCR_Extend of PCR 13: "), "{text}");
        assert!(text.contains(name) && text.contains(hint) && text.contains(&format!("0x{with:x}")), "{text}");
    }
}

/// Each byte that is cut off or added, and each tag that is wrong, makes the answer malformed; it never means something else.
#[test]
fn a_malformed_answer_is_called_malformed() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let spoils: [(&str, Spoil, &str); 6] = [
        ("longer than it says", |answer| [answer, vec![0]].concat(), "another size"),
        ("of a TPM 1.2", |answer| [&[0, 0xc4], &answer[2..]].concat(), "TPM 1.2"),
        ("with a wrong tag", |answer| [&[0x80, 3], &answer[2..]].concat(), "unknown tag"),
        ("a header only", |_| answer(NO_SESSIONS, 0, &[]), ""),
        ("half a header", |_| vec![0x80, 1, 0, 0, 0, 0], "no whole header"),
        ("nonsense inside", |_| answer(NO_SESSIONS, 0, &[0xff; 100]), ""),
    ];
    let swtpm = Swtpm::start("sha256");
    for at in COMMANDS {
        for (name, spoil, cause) in spoils {
            // The TPM answers with a header only, and nobody reads more.
            if at == FLUSH_CONTEXT && cause.is_empty() {
                continue;
            }
            let spoiled: Interposer =
                Box::new(move |command, tpm| if code(command) == at { spoil(tpm(command)) } else { tpm(command) });
            let error = Bus::with(&swtpm, spoiled).measure(SessionChoice::Auto).expect_err(name).to_string();
            assert!(error.starts_with("TPM2_") || error.starts_with("salt key"), "0x{at:x}, {name}: {error}");
            assert!(error.contains(cause) && !error.contains("not recognized"), "0x{at:x}, {name}: {error}");
        }
    }
}

/// A TPM that tests itself, or that a slow bus connects, needs more than a second for its first answer.
#[test]
fn a_slow_first_answer_is_waited_for() {
    let mut first = true;
    let slow: Interposer = Box::new(move |command, tpm| {
        if std::mem::take(&mut first) {
            std::thread::sleep(Duration::from_millis(1500));
        }
        tpm(command)
    });
    Bus::with(&Swtpm::start("sha256"), slow).measure(SessionChoice::Auto).unwrap();
}

/// A TPM that nobody has started answers to everything with `TPM_RC_INITIALIZE`.
#[test]
fn a_tpm_that_is_not_started_is_named_so() {
    for choice in [SessionChoice::None, SessionChoice::Auto] {
        let unstarted: Interposer = Box::new(|_, _| answer(NO_SESSIONS, 0x100, &[]));
        let error = Bus::with(&Swtpm::start("sha256"), unstarted).measure(choice).unwrap_err().to_string();
        assert!(error.contains("the TPM is not started (TPM_RC_INITIALIZE, 0x100)"), "{error}");
    }
}
