//! The HMAC session with a software TPM: its commands, and what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::{PcrIndex, Pcrs, Session, SessionChoice, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;
use swtpm::bus::{
    Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, GET_RANDOM, PCR_EXTEND, PCR_READ, START_AUTH_SESSION,
};

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
    assert_eq!(plain_codes, [GET_RANDOM, GET_CAPABILITY, PCR_READ, PCR_EXTEND, PCR_READ]);
    let session = [GET_RANDOM, CREATE_PRIMARY, START_AUTH_SESSION, FLUSH_CONTEXT];
    assert_eq!(hmac_codes, [session.as_slice(), &plain_codes[1..]].concat());
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

/// Enough sessions to notice an error that hits one session in 256.
#[test]
fn four_hundred_sessions_in_turn_succeed() {
    let swtpm = Swtpm::start("sha256");
    for session in 0..400 {
        let tpm = EsysPcrs::open(&swtpm.device).unwrap().protected(SessionChoice::Hmac, None);
        assert!(tpm.and_then(|mut tpm| tpm.banks(PCR)).is_ok(), "session {session}");
    }
}
