//! The premise of `src/measure/pcr.rs`: a TPM lets Linux reset and extend exactly the PCRs that its table says. So no PCR
//! that a running program can set back to its start value may hold the measurement of an image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use std::process::Command;

use measureroot::internal::hash::Bank;
use measureroot::internal::measure::{Pcr, PcrIndex};
use swtpm::Swtpm;

/// swtpm gives commands locality 0, as Linux does.
const LINUX: u8 = 0;

/// Whether the TPM obeys the command.
fn obeys(swtpm: &Swtpm, tool: &str, argument: &str) -> bool {
    let ran = Command::new(tool).arg(argument).env("TPM2TOOLS_TCTI", swtpm.tcti()).output();
    ran.unwrap_or_else(|error| panic!("{tool}: {error}: install tpm2-tools")).status.success()
}

/// The value in the sha256 bank, in lower-case hex.
fn value(swtpm: &Swtpm, pcr: Pcr) -> String {
    let text = swtpm.tool("tpm2_pcrread", &[&format!("sha256:{pcr}")]);
    text.split("0x").nth(1).expect("a value").trim().to_lowercase()
}

#[test]
fn a_tpm_resets_and_extends_the_pcrs_that_the_table_says() {
    let swtpm = Swtpm::start("sha256");
    for number in 0..24 {
        let pcr = Pcr::try_from(number).unwrap();
        let start = pcr.reset_value(Bank::Sha256);
        assert_eq!(value(&swtpm, pcr), start.to_string(), "PCR {pcr} starts with another value");
        let digest = Bank::Sha256.digest(b"forged");
        let extended = obeys(&swtpm, "tpm2_pcrextend", &format!("{pcr}:sha256={digest}"));
        assert_eq!(extended, pcr.is_extended_from(LINUX), "extend of PCR {pcr}");
        let held = if extended { start.extended(Bank::Sha256, &digest) } else { start.clone() };
        assert_eq!(value(&swtpm, pcr), held.to_string(), "PCR {pcr} after the extend");
        let reset = obeys(&swtpm, "tpm2_pcrreset", &number.to_string());
        assert_eq!(reset, pcr.is_reset_from(LINUX), "reset of PCR {pcr}");
        let held = if reset { start } else { held };
        assert_eq!(value(&swtpm, pcr), held.to_string(), "PCR {pcr} after the reset");
        // What can hold an image: what Linux extends and cannot reset.
        let usable = PcrIndex::try_from(u8::try_from(number).unwrap()).is_ok();
        assert_eq!(usable, extended && !reset, "PCR {pcr}");
    }
}
