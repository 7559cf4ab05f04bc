//! What somebody on the bus between us and the TPM can do without an HMAC session, and cannot with one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod swtpm;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use measureroot::error::Result;
use measureroot::hash::bank::Bank;
use measureroot::hash::digest::{Digest, digests_of};
use measureroot::measure::measurement::{self, Report};
use measureroot::measure::pcr::{PcrIndex, Pcrs};
use measureroot::measure::session::{Session, SessionChoice};
use measureroot::tpm::EsysPcrs;
use swtpm::Swtpm;
use swtpm::bus::{
    Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, Interposer, PCR_EXTEND, PCR_READ, START_AUTH_SESSION, answer,
    code,
};

const PCR: PcrIndex = PcrIndex::DEFAULT;
const BANK: Bank = Bank::Sha256;
/// `TPM_ST_SESSIONS`, `TPM_ST_NO_SESSIONS` and `TPM_RS_PW` (TPM 2.0 Library, Part 2, sections 6.9 and 7.4).
const SESSIONS: u16 = 0x8002;
const NO_SESSIONS: u16 = 0x8001;
const PASSWORD: [u8; 4] = [0x40, 0, 0, 9];

/// Measures as the boot does.
fn measure(bus: &Bus, wanted: SessionChoice) -> Result<Report> {
    let mut tpm = EsysPcrs::open(&bus.device)?.protected(wanted, None)?;
    let banks = tpm.banks(PCR)?;
    measurement::extend(&mut tpm, PCR, &digests_of(&banks, b"image"))
}

/// The PCR after these extends.
fn after(texts: &[&str]) -> Digest {
    texts.iter().fold(Digest::zero(BANK), |pcr, text| pcr.extended(BANK, &BANK.digest(text.as_bytes())))
}

/// A message with the first of these bytes exchanged for the other, wherever they stand.
fn swapped(message: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for place in 0..=message.len().saturating_sub(from.len()) {
        if message[place..].starts_with(from) {
            message[place..place + to.len()].copy_from_slice(to);
        }
    }
    message
}

/// An answer to an extend that the TPM never saw: as good as somebody can make it who does not know the session's key.
fn forged(extend: &[u8]) -> Vec<u8> {
    // Behind the header, the PCR and the length of the authorizations comes the session.
    let authorization = if extend[18..22] == PASSWORD {
        vec![0, 0, 1, 0, 0]
    } else {
        [&[0, 32][..], &[0x5a; 32], &[0x81, 0, 32], &[0xa5; 32]].concat()
    };
    answer(SESSIONS, 0, &[&[0; 4], authorization.as_slice()].concat())
}

fn another_image() -> Interposer {
    let (image, evil) = (BANK.digest(b"image"), BANK.digest(b"evil"));
    let (told, held) = (after(&["image"]), after(&["evil"]));
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => tpm(&swapped(command, image.as_bytes(), evil.as_bytes())),
        PCR_READ => swapped(&tpm(command), held.as_bytes(), told.as_bytes()),
        _ => tpm(command),
    })
}

fn no_extend() -> Interposer {
    let (told, held) = (after(&["image"]), after(&[]));
    let mut dropped = false;
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => {
            dropped = true;
            forged(command)
        }
        PCR_READ if dropped => swapped(&tpm(command), held.as_bytes(), told.as_bytes()),
        _ => tpm(command),
    })
}

fn a_second_extend() -> Interposer {
    let (told, held) = (after(&["image"]), after(&["image", "image"]));
    Box::new(move |command, tpm| match code(command) {
        PCR_EXTEND => {
            tpm(command);
            tpm(command)
        }
        PCR_READ => swapped(&tpm(command), held.as_bytes(), told.as_bytes()),
        _ => tpm(command),
    })
}

/// The bank is not told of, so it stays free.
fn a_hidden_bank() -> Interposer {
    Box::new(move |command, tpm| match code(command) {
        // TPM_ALG_SHA256, and which of its 24 PCRs are active.
        GET_CAPABILITY => swapped(&tpm(command), &[0, 0x0b, 3, 0xff, 0xff, 0xff], &[0, 0x0b, 3, 0, 0, 0]),
        _ => tpm(command),
    })
}

#[test]
fn what_deceives_us_without_a_session_is_refused_with_one() {
    let table = [
        ("another image", "sha256", another_image as fn() -> Interposer, "TPM2_PCR_Extend of PCR 13: authorization"),
        ("no extend", "sha256", no_extend, "TPM2_PCR_Extend of PCR 13: the HMAC"),
        ("a second extend", "sha256", a_second_extend, "TPM2_PCR_Extend of PCR 13: authorization"),
        ("a hidden bank", "sha1,sha256", a_hidden_bank, "TPM2_GetCapability(PCRS): the HMAC"),
    ];
    for (name, banks, interposer, refusal) in table {
        let swtpm = Swtpm::start(banks);
        let report = measure(&Bus::with(&swtpm, interposer()), SessionChoice::None).expect(name);
        // We believe that all is well, and the TPM knows better.
        let told = report.banks.get(&BANK).map(|extension| extension.after.to_string());
        assert_ne!(told, Some(swtpm.tpm2_pcrread(BANK.name())), "{name}");
        for wanted in [SessionChoice::Auto, SessionChoice::Hmac] {
            let swtpm = Swtpm::start(banks);
            let error = measure(&Bus::with(&swtpm, interposer()), wanted).expect_err(name);
            assert!(error.to_string().starts_with(refusal), "{name}: {error}");
        }
    }
}

/// What is done clumsily enough, reading back finds; with a session it does not come to that.
#[test]
fn what_reading_back_finds_is_refused_before_with_a_session() {
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
        let (told, held) = (after(&["evil"]), after(&["image"]));
        Box::new(move |command, tpm| swapped(&tpm(command), held.as_bytes(), told.as_bytes()))
    };
    let table = [
        ("no extend", dropped, "TPM2_PCR_Extend of PCR 13"),
        ("another image", another, "TPM2_PCR_Extend of PCR 13"),
        ("another reading", altered, "TPM2_PCR_Read"),
    ];
    for (name, interposer, refused) in table {
        for (wanted, object) in
            [(SessionChoice::None, "PCR 13"), (SessionChoice::Auto, refused), (SessionChoice::Hmac, refused)]
        {
            let error = measure(&Bus::with(&Swtpm::start("sha256"), interposer()), wanted).expect_err(name);
            assert_eq!(error.object(), object, "{name}: {error}");
        }
    }
}

/// The answers to an earlier boot of the same image, to all that is asked and in its order.
#[test]
fn a_recording_of_an_earlier_boot_deceives_us_without_a_session_only() {
    for wanted in [SessionChoice::None, SessionChoice::Hmac] {
        let tape = Arc::new(Mutex::new(VecDeque::new()));
        let (recorder, player) = (Arc::clone(&tape), Arc::clone(&tape));
        let record: Interposer = Box::new(move |command, tpm| {
            let answer = tpm(command);
            recorder.lock().unwrap().push_back(answer.clone());
            answer
        });
        let play: Interposer = Box::new(move |_, _| player.lock().unwrap().pop_front().unwrap_or_default());
        let first = measure(&Bus::with(&Swtpm::start("sha256"), record), wanted).unwrap();
        let swtpm = Swtpm::start("sha256");
        let second = measure(&Bus::with(&swtpm, play), wanted);
        assert_eq!(swtpm.tpm2_pcrread("sha256"), Digest::zero(BANK).to_string());
        match wanted {
            SessionChoice::None => assert_eq!(second.unwrap(), first),
            _ => assert!(second.is_err()),
        }
    }
}

/// With a session, what is not authenticated is not taken: neither its absence nor a reading that was altered.
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
                // The TPM's own answer to the same question, asked without the session.
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
                answer[20] ^= 1;
            }
            answer
        })
    };
    for (name, interposer) in [("plain success", plain), ("plain reading", stripped), ("altered reading", altered)] {
        let error = measure(&Bus::with(&Swtpm::start("sha256"), interposer()), SessionChoice::Auto).expect_err(name);
        assert!(error.to_string().contains("the HMAC of the answer is wrong or missing"), "{name}: {error}");
    }
}

/// A TPM that cannot do it is believed, unless it must; any other failure is one.
#[test]
fn a_session_that_cannot_be_had() {
    let refusing = |with: u32| -> Interposer {
        Box::new(move |command, tpm| match code(command) {
            CREATE_PRIMARY => answer(NO_SESSIONS, with, &[]),
            _ => tpm(command),
        })
    };
    let swtpm = Swtpm::start("sha256");
    let open = |code, wanted| measure(&Bus::with(&swtpm, refusing(code)), wanted);
    // TPM_RC_CURVE of the second parameter, TPM_RC_COMMAND_CODE (TPM 2.0 Library, Part 2, section 6.6.3).
    for code in [0x2e6, 0x143] {
        assert_eq!(open(code, SessionChoice::Auto).unwrap().session, Some(Session::None));
        let error = open(code, SessionChoice::Hmac).unwrap_err();
        assert_eq!(error.object(), "TPM2_CreatePrimary", "{error}");
    }
    // TPM_RC_FAILURE.
    for wanted in [SessionChoice::Auto, SessionChoice::Hmac] {
        assert_eq!(open(0x101, wanted).unwrap_err().object(), "TPM2_CreatePrimary");
    }
    // What the kernel did, the TPM can do.
    let bus = Bus::with(&swtpm, refusing(0x143));
    let opened = EsysPcrs::open(&bus.device).unwrap().protected(SessionChoice::Auto, Some(swtpm.null_name()));
    assert_eq!(opened.map(|_| ()).unwrap_err().object(), "TPM2_CreatePrimary");
}

/// A TPM that makes the key can do the rest.
#[test]
fn no_session_after_the_key_is_an_error() {
    for refused in [START_AUTH_SESSION, FLUSH_CONTEXT] {
        let refusing: Interposer = Box::new(move |command, tpm| match code(command) {
            // TPM_RC_COMMAND_CODE.
            code if code == refused => answer(NO_SESSIONS, 0x143, &[]),
            _ => tpm(command),
        });
        let error = measure(&Bus::with(&Swtpm::start("sha256"), refusing), SessionChoice::Auto).unwrap_err();
        assert!(error.object().starts_with("TPM2_"), "{error}");
    }
}

/// Somebody who gives us a key of their own, with the name that goes with it: the generator of P-256, whose secret is 1.
fn another_key() -> Interposer {
    Box::new(|command, tpm| {
        let answer = tpm(command);
        if code(command) != CREATE_PRIMARY {
            return answer;
        }
        // Behind the header, the handle and the parameters' length: the public area, its point last.
        let area = 20..20 + usize::from(u16::from_be_bytes([answer[18], answer[19]]));
        let old = BANK.digest(&answer[area.clone()]);
        let point = hex::decode(
            "00206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
             00204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        )
        .unwrap();
        let mut answer = answer;
        answer[area.end - point.len()..area.end].copy_from_slice(&point);
        let new = BANK.digest(&answer[area]);
        swapped(&answer, old.as_bytes(), new.as_bytes())
    })
}

#[test]
fn another_key_has_another_name_than_the_kernel_knows() {
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
    // Without the name it is found out too, unless they play the whole TPM.
    let error = measure(&Bus::with(&swtpm, another_key()), SessionChoice::Auto).unwrap_err();
    assert!(error.to_string().starts_with("TPM2_GetCapability(PCRS): authorization"), "{error}");
    for name in ["", "000b", &name[2..], &name.replace("000b", "000c")] {
        let honest: Interposer = Box::new(|command, tpm| tpm(command));
        assert!(open(honest, name).is_err(), "{name}");
    }
}
