//! An attacker on the bus between measureroot and the TPM: which attacks succeed without an HMAC session and fail with one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use measureroot::internal::hash::Digest;
use measureroot::internal::measure::{PcrIndex, Session, SessionChoice, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;
use swtpm::attacks::{
    BANK, NO_SESSIONS, a_hidden_bank, a_second_extend, after, another_image, another_key, forged, no_extend, swapped,
};
use swtpm::bus::{
    Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, Interposer, PCR_EXTEND, PCR_READ, START_AUTH_SESSION, answer,
    code,
};

/// An attack on a TPM with these banks.
struct Attack {
    name: &'static str,
    banks: &'static str,
    interposer: fn() -> Interposer,
    /// The start of the error with a session.
    refused: &'static str,
}

#[test]
fn an_attack_that_succeeds_without_a_session_fails_with_one() {
    let attacks = [
        Attack {
            name: "another image",
            banks: "sha256",
            interposer: another_image,
            refused: "TPM2_PCR_Extend of PCR 13: authorization",
        },
        Attack {
            name: "no extend",
            banks: "sha256",
            interposer: no_extend,
            refused: "TPM2_PCR_Extend of PCR 13: the HMAC",
        },
        Attack {
            name: "a second extend",
            banks: "sha256",
            interposer: a_second_extend,
            refused: "TPM2_PCR_Extend of PCR 13: authorization",
        },
        Attack {
            name: "a hidden bank",
            banks: "sha1,sha256",
            interposer: a_hidden_bank,
            refused: "TPM2_GetCapability(PCRS): the HMAC",
        },
    ];
    for Attack { name, banks, interposer, refused } in attacks {
        let swtpm = Swtpm::start(banks);
        let report = Bus::with(&swtpm, interposer()).measure(SessionChoice::None).expect(name);
        // measureroot reports success, but the TPM holds another value.
        let reported = report.banks.get(&BANK).map(|extension| extension.after.to_string());
        assert_ne!(reported, Some(swtpm.tpm2_pcrread(BANK.name())), "{name}");
        for choice in [SessionChoice::Auto, SessionChoice::Hmac] {
            let swtpm = Swtpm::start(banks);
            let error = Bus::with(&swtpm, interposer()).measure(choice).expect_err(name);
            assert!(error.to_string().starts_with(refused), "{name}: {error}");
        }
    }
}

/// Without a session, measureroot detects these attacks when it reads the PCR back. With a session, they fail earlier.
#[test]
fn an_attack_that_the_read_after_the_extend_detects_fails_earlier_with_a_session() {
    let dropped: fn() -> Interposer = || {
        Box::new(|command, tpm| match code(command) {
            PCR_EXTEND => forged(command),
            _ => tpm(command),
        })
    };
    let another: fn() -> Interposer = || {
        let (image, evil) = (BANK.digest(b"image"), BANK.digest(b"evil"));
        Box::new(move |command, tpm| tpm(&swapped(command, image.as_bytes(), evil.as_bytes())))
    };
    let altered: fn() -> Interposer = || {
        let (reported, actual) = (after(&["evil"]), after(&["image"]));
        Box::new(move |command, tpm| swapped(&tpm(command), actual.as_bytes(), reported.as_bytes()))
    };
    let table = [
        ("no extend", dropped, "TPM2_PCR_Extend of PCR 13"),
        ("another image", another, "TPM2_PCR_Extend of PCR 13"),
        ("another reading", altered, "TPM2_PCR_Read"),
    ];
    for (name, interposer, refused) in table {
        for (choice, object) in
            [(SessionChoice::None, "PCR 13"), (SessionChoice::Auto, refused), (SessionChoice::Hmac, refused)]
        {
            let error = Bus::with(&Swtpm::start("sha256"), interposer()).measure(choice).expect_err(name);
            assert_eq!(error.object(), object, "{name}: {error}");
        }
    }
}

/// The attacker replays the TPM's answers to an earlier boot of the same image.
#[test]
fn a_replay_of_an_earlier_boot_succeeds_only_without_a_session() {
    for choice in [SessionChoice::None, SessionChoice::Hmac] {
        let tape = Arc::new(Mutex::new(VecDeque::new()));
        let (recorder, player) = (Arc::clone(&tape), Arc::clone(&tape));
        let record: Interposer = Box::new(move |command, tpm| {
            let answer = tpm(command);
            recorder.lock().unwrap().push_back(answer.clone());
            answer
        });
        let play: Interposer = Box::new(move |_, _| player.lock().unwrap().pop_front().unwrap_or_default());
        let first = Bus::with(&Swtpm::start("sha256"), record).measure(choice).unwrap();
        let swtpm = Swtpm::start("sha256");
        let second = Bus::with(&swtpm, play).measure(choice);
        assert_eq!(swtpm.tpm2_pcrread("sha256"), Digest::zero(BANK).to_string());
        match choice {
            SessionChoice::None => assert_eq!(second.unwrap(), first),
            _ => assert!(second.is_err()),
        }
    }
}

/// With a session, an answer without an HMAC and a changed answer are refused.
#[test]
fn an_answer_without_its_hmac_is_refused() {
    let plain: fn() -> Interposer = || {
        Box::new(|command, tpm| match code(command) {
            PCR_EXTEND => answer(NO_SESSIONS, 0, &[]),
            _ => tpm(command),
        })
    };
    let stripped: fn() -> Interposer = || {
        Box::new(|command, tpm| match code(command) {
            PCR_READ => {
                // The TPM's own answer to the same command without the session.
                let session = usize::try_from(u32::from_be_bytes(command[10..14].try_into().unwrap())).unwrap();
                let question = &command[14 + session..];
                let length = u32::try_from(10 + question.len()).unwrap();
                let header = [&NO_SESSIONS.to_be_bytes(), length.to_be_bytes().as_slice(), &command[6..10]].concat();
                tpm(&[header, question.to_vec()].concat())
            }
            _ => tpm(command),
        })
    };
    let altered: fn() -> Interposer = || {
        Box::new(|command, tpm| {
            let mut answer = tpm(command);
            if code(command) == PCR_READ {
                // The last byte of pcrUpdateCounter: another would give the answer another length.
                answer[17] ^= 1;
            }
            answer
        })
    };
    for (name, interposer) in [("plain success", plain), ("plain reading", stripped), ("altered reading", altered)] {
        let error = Bus::with(&Swtpm::start("sha256"), interposer()).measure(SessionChoice::Auto).expect_err(name);
        assert!(error.to_string().contains("the HMAC of the answer is wrong or missing"), "{name}: {error}");
    }
}

/// `auto` continues without a session if the TPM answers that it cannot make the key. Every other error stops the boot.
#[test]
fn auto_continues_without_a_session_only_if_the_tpm_cannot_make_the_key() {
    let refusing = |with: u32| -> Interposer {
        Box::new(move |command, tpm| match code(command) {
            CREATE_PRIMARY => answer(NO_SESSIONS, with, &[]),
            _ => tpm(command),
        })
    };
    let swtpm = Swtpm::start("sha256");
    let open = |code, choice| Bus::with(&swtpm, refusing(code)).measure(choice);
    // TPM_RC_CURVE of the second parameter, TPM_RC_COMMAND_CODE (TPM 2.0 Library, Part 2, section 6.6.3).
    for code in [0x2e6, 0x143] {
        assert_eq!(open(code, SessionChoice::Auto).unwrap().session, Some(Session::None));
        let error = open(code, SessionChoice::Hmac).unwrap_err();
        assert_eq!(error.object(), "TPM2_CreatePrimary", "{error}");
    }
    // TPM_RC_FAILURE.
    for choice in [SessionChoice::Auto, SessionChoice::Hmac] {
        assert_eq!(open(0x101, choice).unwrap_err().object(), "TPM2_CreatePrimary");
    }
    // The kernel has the key's name, so the TPM can make the key.
    let bus = Bus::with(&swtpm, refusing(0x143));
    let opened = EsysPcrs::open(&bus.device).unwrap().protected(SessionChoice::Auto, Some(swtpm.null_name()));
    assert_eq!(opened.map(|_| ()).unwrap_err().object(), "TPM2_CreatePrimary");
}

/// A TPM that can make the key can also start a session.
#[test]
fn a_tpm_that_makes_the_key_but_starts_no_session_is_an_error() {
    for refused in [START_AUTH_SESSION, FLUSH_CONTEXT] {
        let refusing: Interposer = Box::new(move |command, tpm| match code(command) {
            // TPM_RC_COMMAND_CODE.
            code if code == refused => answer(NO_SESSIONS, 0x143, &[]),
            _ => tpm(command),
        });
        let error = Bus::with(&Swtpm::start("sha256"), refusing).measure(SessionChoice::Auto).unwrap_err();
        assert!(error.object().starts_with("TPM2_"), "{error}");
    }
}

#[test]
fn an_attacker_s_key_has_another_name_than_the_kernel_shows() {
    let swtpm = Swtpm::start("sha256");
    let name = swtpm.null_name();
    let open = |interposer, name: &str| {
        let bus = Bus::with(&swtpm, interposer);
        EsysPcrs::open(&bus.device)?.protected(SessionChoice::Auto, Some(format!("{name}\n"))).map(|_| ())
    };
    let honest: Interposer = Box::new(|command, tpm| tpm(command));
    open(honest, &name).unwrap();
    let error = open(another_key(), &name).unwrap_err();
    assert_eq!(error.object(), "salt key of the TPM's null hierarchy", "{error}");
    // Without the kernel's name the attack fails too, unless the attacker emulates the whole TPM.
    let error = Bus::with(&swtpm, another_key()).measure(SessionChoice::Auto).unwrap_err();
    assert!(error.to_string().starts_with("TPM2_GetCapability(PCRS): authorization"), "{error}");
    for name in ["", "000b", &name[2..], &name.replace("000b", "000c")] {
        let honest: Interposer = Box::new(|command, tpm| tpm(command));
        assert!(open(honest, name).is_err(), "{name}");
    }
}

/// From the extend on, the TPM refuses each command but extends. The mark of the failure must not need any other.
#[test]
fn a_tpm_that_only_extends_is_marked_after_a_failure() {
    for choice in [SessionChoice::None, SessionChoice::Hmac] {
        for known in [&[][..], &[BANK]] {
            let swtpm = Swtpm::start("sha256");
            let mut extended = false;
            let only_extends: Interposer = Box::new(move |command, tpm| match code(command) {
                PCR_EXTEND => {
                    extended = true;
                    tpm(command)
                }
                // TPM_RC_FAILURE (TPM 2.0 Library, Part 2, section 6.6.3).
                PCR_READ | GET_CAPABILITY if extended => answer(NO_SESSIONS, 0x101, &[]),
                _ => tpm(command),
            });
            let bus = Bus::with(&swtpm, only_extends);
            assert!(bus.measure(choice).is_err());
            let mut tpm = EsysPcrs::open(&bus.device).unwrap();
            measurement::extend_failed(&mut tpm, PcrIndex::DEFAULT, known).unwrap();
            drop(tpm);
            assert_eq!(swtpm.tpm2_pcrread("sha256"), after(&["image", measurement::FAILED]).to_string(), "{choice:?}");
        }
    }
}
