//! The formats of a prediction. A TPM that was extended with the image must hold the same values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod swtpm;

use std::fs;

use common::{measureroot, squashfs, text};
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::{PcrIndex, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::Swtpm;

/// What `measureroot predict` prints for an image with this content.
fn predict(content: &[u8], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, squashfs(content)).unwrap();
    measureroot(&[&["predict", text(&image)], arguments].concat()).printed()
}

/// A TPM after the boot of an image with this content.
fn booted(content: &[u8]) -> Swtpm {
    let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    measurement::extend(&mut tpm, PcrIndex::DEFAULT, &digests_of(&Bank::ALL, &squashfs(content))).unwrap();
    swtpm
}

#[test]
fn hex_is_the_value_in_the_tpm_and_before_accepts_it() {
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
fn the_policy_is_the_one_that_the_tpm_computes_from_its_pcr() {
    let swtpm = booted(b"image");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy");
    let made = |banks: &str| {
        swtpm.tool("tpm2_createpolicy", &["--policy-pcr", "-l", banks, "-L", file.to_str().unwrap()]);
        // tpm2_createpolicy leaves its session in the TPM, which has room for three.
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
fn keylime_gets_a_sha1_value_only_if_asked_for() {
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
fn pcrlock_gives_the_event_in_every_bank() {
    let text = predict(b"image", &["--format", "pcrlock", "--pcr", "9"]);
    let digests =
        Bank::ALL.map(|bank| format!("{{\"digest\":\"{}\",\"hashAlg\":\"{bank}\"}}", bank.digest(&squashfs(b"image"))));
    assert_eq!(text, format!("{{\"records\":[{{\"digests\":[{}],\"pcr\":9}}]}}\n", digests.join(",")));
}

#[test]
fn json_is_also_a_format_and_two_formats_are_refused() {
    assert_eq!(
        predict(b"image", &["--json"]).lines().count(),
        predict(b"image", &["--format", "json"]).lines().count()
    );
    assert_eq!(measureroot(&["predict", "x", "--json", "--format", "hex"]).code, 2);
}
