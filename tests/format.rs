//! The forms of a prediction, held against a TPM that was extended with the image, and the programs that read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod swtpm;

use std::fs;
use std::process::Command;

use measureroot::hash::bank::Bank;
use measureroot::hash::digest::digests_of;
use measureroot::measure::measurement;
use measureroot::measure::pcr::PcrIndex;
use measureroot::tpm::EsysPcrs;
use swtpm::Swtpm;

/// What `measureroot predict` prints of a file with these bytes.
fn predict(content: &[u8], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, content).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_measureroot")).arg("predict").arg(image).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A TPM after the boot of a file with these bytes.
fn booted(content: &[u8]) -> Swtpm {
    let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    measurement::extend(&mut tpm, PcrIndex::DEFAULT, &digests_of(&Bank::ALL, content)).unwrap();
    swtpm
}

#[test]
fn hex_is_what_the_tpm_holds_and_what_before_takes() {
    let swtpm = booted(b"image");
    for bank in Bank::ALL {
        let line = predict(b"image", &["--format", "hex", "--bank", bank.name()]);
        assert_eq!(line.trim_end(), swtpm.tpm2_pcrread(bank.name()), "{bank}");
        let after = predict(b"next", &["--format", "hex", "--bank", bank.name(), "--before", line.trim_end()]);
        assert_ne!(after, predict(b"next", &["--format", "hex", "--bank", bank.name()]));
    }
    assert_eq!(predict(b"image", &["--format", "hex"]).lines().count(), Bank::ALL.len());
}

#[test]
fn the_policy_is_the_one_that_the_tpm_makes_of_its_pcr() {
    let swtpm = booted(b"image");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy");
    let made = |banks: &str| {
        swtpm.tool("tpm2_createpolicy", &["--policy-pcr", "-l", banks, "-L", file.to_str().unwrap()]);
        // It leaves its session behind, and there is room for three.
        swtpm.tool("tpm2_flushcontext", &["--loaded-session"]);
        hex::encode(fs::read(&file).unwrap()) + "\n"
    };
    let policy = |banks: &[&str]| {
        let options: Vec<_> = banks.iter().flat_map(|bank| ["--bank", bank]).collect();
        predict(b"image", &[&["--format", "policy"], options.as_slice()].concat())
    };
    assert_eq!(policy(&[]), made("sha256:13"));
    assert_eq!(policy(&["sha384"]), made("sha384:13"));
    assert_eq!(policy(&["sha1", "sha256", "sha512"]), made("sha1:13+sha256:13+sha512:13"));
    assert_ne!(predict(b"imagE", &["--format", "policy"]), made("sha256:13"));
}

#[test]
fn keylime_is_given_no_sha1_value_unless_asked() {
    let values = |arguments: &[&str]| -> Vec<String> {
        let text = predict(b"image", &[&["--format", "keylime"], arguments].concat());
        serde_json::from_value(serde_json::from_str::<serde_json::Value>(&text).unwrap()["13"].take()).unwrap()
    };
    let swtpm = booted(b"image");
    let held = |banks: &[&str]| banks.iter().map(|bank| swtpm.tpm2_pcrread(bank)).collect::<Vec<_>>();
    assert_eq!(values(&[]), held(&["sha256", "sha384", "sha512"]));
    assert_eq!(values(&["--bank", "sha1"]), held(&["sha1"]));
}

#[test]
fn pcrlock_names_the_event_in_every_bank() {
    let text = predict(b"image", &["--format", "pcrlock", "--pcr", "9"]);
    let digests = Bank::ALL.map(|bank| format!("{{\"digest\":\"{}\",\"hashAlg\":\"{bank}\"}}", bank.digest(b"image")));
    assert_eq!(text, format!("{{\"records\":[{{\"digests\":[{}],\"pcr\":9}}]}}\n", digests.join(",")));
}

#[test]
fn json_is_one_form_and_not_two() {
    assert_eq!(
        predict(b"image", &["--json"]).lines().count(),
        predict(b"image", &["--format", "json"]).lines().count()
    );
    let both =
        Command::new(env!("CARGO_BIN_EXE_measureroot")).args(["predict", "x", "--json", "--format", "hex"]).output();
    assert_eq!(both.unwrap().status.code(), Some(2));
}
