//! The HMAC session against a real software TPM, and against somebody on the bus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod swtpm;

use measureroot::error::Result;
use measureroot::hash::bank::Bank;
use measureroot::hash::digest::digests_of;
use measureroot::measure::measurement::{self, Report};
use measureroot::measure::pcr::{PcrIndex, Pcrs};
use measureroot::measure::session::{Session, SessionChoice};
use measureroot::tpm::EsysPcrs;
use swtpm::Swtpm;
use swtpm::bus::{
    Bus, CREATE_PRIMARY, FLUSH_CONTEXT, GET_CAPABILITY, GET_RANDOM, PCR_EXTEND, PCR_READ, START_AUTH_SESSION,
};

const PCR: PcrIndex = PcrIndex::DEFAULT;
const IMAGE: &[u8] = b"image";

/// Measures as the boot does.
fn measure(bus: &Bus, wanted: SessionChoice) -> Result<Report> {
    let mut tpm = EsysPcrs::open(&bus.device)?.protected(wanted, None)?;
    let banks = tpm.banks(PCR)?;
    measurement::extend(&mut tpm, PCR, &digests_of(&banks, IMAGE))
}

#[test]
fn a_session_costs_three_commands_and_changes_no_value() {
    let measured = |wanted| {
        let swtpm = Swtpm::start("sha1,sha256");
        let bus = Bus::honest(&swtpm);
        let report = measure(&bus, wanted).unwrap();
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
    assert_eq!(left(), "- 0x2000000\n", "the session alone is there");
    measurement::extend(&mut tpm, PCR, &digests_of(&[Bank::Sha256], IMAGE)).unwrap();
    assert_eq!(left(), "", "it ended with the reading back");
    // It starts another one, which goes when the program is done with the TPM.
    tpm.banks(PCR).unwrap();
    assert_ne!(left(), "");
    drop(tpm);
    assert_eq!(left(), "");
}

#[test]
fn one_session_in_256_does_not_fail() {
    let swtpm = Swtpm::start("sha256");
    for session in 0..400 {
        let tpm = EsysPcrs::open(&swtpm.device).unwrap().protected(SessionChoice::Hmac, None);
        assert!(tpm.and_then(|mut tpm| tpm.banks(PCR)).is_ok(), "session {session}");
    }
}
