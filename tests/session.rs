//! The HMAC session with a software TPM: its commands, and what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::{PcrIndex, Pcrs, Session, SessionChoice, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;
use swtpm::bus::{Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, PCR_EXTEND, PCR_READ, START_AUTH_SESSION, code};
use swtpm::left::{Left, fill};

const PCR: PcrIndex = PcrIndex::DEFAULT;
const IMAGE: &[u8] = b"image";

#[test]
fn a_session_costs_three_commands_and_changes_no_value() {
    let measured = |choice| {
        let swtpm = Swtpm::start("sha1,sha256");
        let bus = Bus::honest(&swtpm);
        let report = bus.measure(choice).unwrap();
        assert_eq!(swtpm.tpm2_pcrread("sha256"), report.banks[&Bank::Sha256].after.to_string());
        (report, bus.codes())
    };
    let (plain, plain_codes) = measured(SessionChoice::None);
    let (hmac, hmac_codes) = measured(SessionChoice::Auto);
    assert_eq!((plain.session, hmac.session), (Some(Session::None), Some(Session::Hmac)));
    assert_eq!(plain.banks, hmac.banks);
    assert_eq!(plain_codes, [GET_CAPABILITY, PCR_READ, PCR_EXTEND, PCR_READ]);
    let session = [CREATE_PRIMARY, START_AUTH_SESSION, FLUSH_CONTEXT];
    assert_eq!(hmac_codes, [session.as_slice(), &plain_codes].concat());
}

#[test]
fn nothing_is_left_in_the_tpm() {
    let swtpm = Swtpm::start("sha256");
    let left = || {
        let found = ["handles-transient", "handles-loaded-session", "handles-saved-session"];
        found.map(|kind| swtpm.tool("tpm2_getcap", &[kind])).concat()
    };
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap().protected(SessionChoice::Hmac, None).unwrap();
    assert_eq!(left(), "- 0x2000000\n", "only the session is there");
    measurement::extend(&mut tpm, PCR, &digests_of(&[Bank::Sha256], IMAGE)).unwrap();
    assert_eq!(left(), "", "the session ended when the PCR was read back");
    // This starts another session. It ends when the program closes the TPM.
    tpm.banks(PCR).unwrap();
    assert_ne!(left(), "");
    drop(tpm);
    assert_eq!(left(), "");
}

/// What a boot loader, tboot or the kernel before a kexec left in the TPM is no obstacle, and afterwards it is gone.
#[test]
fn what_an_earlier_user_left_is_flushed_if_the_tpm_is_full() {
    for (left, refused) in [
        (Left::Objects, 0x902),
        (Left::Sequences, 0x902),
        (Left::HmacSessions, 0x903),
        (Left::PolicySessions, 0x903),
        (Left::SavedSessions, 0x905),
    ] {
        let swtpm = Swtpm::start("sha256");
        assert_eq!(fill(&swtpm, left), refused, "{left:?}");
        let report = Bus::honest(&swtpm).measure(SessionChoice::Hmac).unwrap();
        assert_eq!(report.session, Some(Session::Hmac), "{left:?}");
        assert_eq!(swtpm.tpm2_pcrread("sha256"), report.banks[&Bank::Sha256].after.to_string(), "{left:?}");
        let found = ["handles-transient", "handles-loaded-session", "handles-saved-session"];
        assert_eq!(found.map(|kind| swtpm.tool("tpm2_getcap", &[kind])).concat(), "", "{left:?}");
    }
}

/// Another program may use the TPM beside a command that only reads it.
#[test]
fn nothing_of_others_is_flushed_if_there_is_room_or_without_a_session() {
    let swtpm = Swtpm::start("sha256");
    fill(&swtpm, Left::Objects);
    EsysPcrs::open(&swtpm.device).unwrap().banks(PCR).unwrap();
    assert_ne!(swtpm.tool("tpm2_getcap", &["handles-transient"]), "");
    let swtpm = Swtpm::start("sha256");
    swtpm::left::one(&swtpm, Left::HmacSessions);
    let bus = Bus::honest(&swtpm);
    bus.measure(SessionChoice::Hmac).unwrap();
    let flushed = bus.codes().iter().filter(|&&code| code == FLUSH_CONTEXT).count();
    assert_eq!(flushed, 1, "only our own key");
    assert_ne!(swtpm.tool("tpm2_getcap", &["handles-loaded-session"]), "");
}

/// A TPM that stays full is an error that says so; and a list of handles without an end costs a bounded number of commands.
#[test]
fn a_tpm_that_stays_full_is_an_error() {
    use swtpm::attacks::NO_SESSIONS;
    let swtpm = Swtpm::start("sha256");
    let bus = Bus::with(
        &swtpm,
        Box::new(|command, tpm| match code(command) {
            CREATE_PRIMARY => swtpm::bus::answer(NO_SESSIONS, 0x902, &[]),
            // 64 handles, and more.
            GET_CAPABILITY => {
                let first = command[14..18].to_vec();
                let handles = first.repeat(64);
                swtpm::bus::answer(NO_SESSIONS, 0, &[&[1, 0, 0, 0, 1, 0, 0, 0, 64], handles.as_slice()].concat())
            }
            _ => tpm(command),
        }),
    );
    let error = bus.measure(SessionChoice::Auto).unwrap_err().to_string();
    assert!(error.starts_with("TPM2_CreatePrimary: the TPM has no room for another object"), "{error}");
    assert!(error.contains("0x902") && error.contains("switch the machine off"), "{error}");
    assert!(bus.codes().len() <= 2 + 3 * 65, "{}", bus.codes().len());
}

/// Enough sessions to notice an error that hits one session in 256.
#[test]
fn four_hundred_sessions_in_turn_succeed() {
    let swtpm = Swtpm::start("sha256");
    for session in 0..400 {
        let tpm = EsysPcrs::open(&swtpm.device).unwrap().protected(SessionChoice::Hmac, None);
        assert!(tpm.and_then(|mut tpm| tpm.banks(PCR)).is_ok(), "session {session}");
    }
}
