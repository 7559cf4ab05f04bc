//! What `verify` and `replay` refuse: each time for its true reason, with what to do, and with the exit code of docs/evidence.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{ROOT, Ran, measureroot, run, text};
use tempfile::TempDir;

/// The nonce of the recorded quote of a TPM 1.2.
const NONCE: &str = "00112233445566778899aabbccddeeff00112233";

/// Files of a test, and the recorded ones.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        text(&path).to_owned()
    }
}

fn recorded(name: &str) -> String {
    text(&Path::new(ROOT).join("tests").join(name)).to_owned()
}

/// Judges the recorded quote of a TPM 1.2 with these arguments in addition.
fn judge12(arguments: &[&str]) -> Ran {
    let (signature, log) = (recorded("evidence/tpm12.sig"), recorded("eventlog/sha1-only.bin"));
    let common = ["verify", "--image-only", "--sha1", "--signature", &signature, "--log", &log];
    measureroot(&[&common[..], arguments].concat())
}

/// Judges a recorded quote of a TPM 2.0.
fn judge20(signature: &str, arguments: &[&str]) -> Ran {
    let [quote, log, list] = ["evidence/hcrtm.quote", "evidence/hcrtm.log", "evidence/trusted.json"].map(recorded);
    let common = ["verify", "--image-only", "--any-nonce", "--quote", &quote, "--log", &log, "--allow", &list];
    measureroot(&[&common[..], &["--signature", signature], arguments].concat())
}

#[track_caller]
fn assert_says(ran: &Ran, code: i32, parts: &[&str]) {
    let Ran { out, err, .. } = ran;
    assert!(ran.code == code && parts.iter().all(|part| out.contains(part) || err.contains(part)), "{ran:?}");
}

#[test]
fn what_a_quote_of_a_tpm_1_2_lacks_is_named() {
    let files = Files::new();
    let [key, values, list] = ["evidence/tpm12.aik.blob", "evidence/tpm12.pcrs", "evidence/trusted.json"].map(recorded);
    let whole = ["--key", &key, "--pcrs", &values, "--nonce", NONCE, "--allow", &list];
    assert_says(&judge12(&whole), 0, &["trusted: "]);
    let without = judge12(&["--key", &key, "--nonce", NONCE, "--allow", &list]);
    assert_says(&without, 2, &["<EVIDENCE|--quote <FILE>|--pcrs <FILE>>"]);
    let nonce = |nonce: &str| judge12(&["--key", &key, "--pcrs", &values, "--nonce", nonce, "--allow", &list]);
    let first = "give --nonce these, \"$(head --bytes=20 nonce | basenc --base16)\"";
    assert_says(&nonce(&format!("{NONCE}0a")), 4, &["nonce: has 21 bytes, but a TPM 1.2 signs 20", first]);
    let new = "head --bytes=20 /dev/urandom > nonce makes a new one";
    assert_says(&nonce(&NONCE[2..]), 4, &["nonce: has 19 bytes, but a TPM 1.2 signs 20", new]);
    let digest = "ab".repeat(32);
    let better = files.write("list", format!(r#"{{"images":[{{"name":"a","digests":{{"sha256":"{digest}"}}}}]}}"#));
    let judged = judge12(&["--key", &key, "--pcrs", &values, "--nonce", NONCE, "--allow", &better]);
    let add = "a TPM 1.2 has no other bank: add the entry again with predict --bank sha1 --allow-entry";
    assert_says(&judged, 3, &["the entry of the list has sha256 alone, the quote has sha1 alone", add]);
    // TPM_KEY_PARMS has the exponent behind its length; the blob leaves it out, for it is the usual one.
    let blob = fs::read(&key).unwrap();
    for exponent in [1, 2] {
        let bytes = [&blob[..19], &[0, 0, 0, 13], &blob[23..31], &[0, 0, 0, 1, exponent], &blob[35..]].concat();
        let key = files.write("blob", bytes);
        let judged = judge12(&["--key", &key, "--pcrs", &values, "--nonce", NONCE, "--allow", &list]);
        assert_says(&judged, 4, &["key: its exponent is 1 or an even number", "take the key from the machine again"]);
    }
}

#[test]
fn a_quote_of_a_tpm_2_0_is_not_that_of_a_tpm_1_2() {
    let signature = recorded("evidence/hcrtm.sig");
    for key in ["tpm12.aik.blob", "tpm12.aik.pub"] {
        let judged = judge20(&signature, &["--key", &recorded(&format!("evidence/{key}"))]);
        let words = "key: is that of a TPM 1.2, so it cannot have signed the quote of a TPM 2.0";
        assert_says(&judged, 4, &[words, "leave --quote out"]);
    }
    let files = Files::new();
    let [key, public, plain] = ["key", "public", "plain"].map(|name| text(&files.0.path().join(name)).to_owned());
    run("openssl", &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key]);
    run("openssl", &["pkey", "-in", &key, "-pubout", "-out", &public]);
    for (hash, part) in [
        ("sha1", "signature: uses SHA-1"),
        ("sha384", "signature: is RSASSA with sha384, but the digest in the quote is a sha256 digest"),
    ] {
        let quote = recorded("evidence/hcrtm.quote");
        run("openssl", &["dgst", &format!("-{hash}"), "-sign", &key, "-out", &plain, &quote]);
        assert_says(&judge20(&plain, &["--key", &public]), 4, &[part]);
    }
}

#[test]
fn values_that_are_not_the_quoted_ones_are_broken_evidence() {
    let files = Files::new();
    let [signature, key, values] = ["sig", "ak.pub", "pcrread"].map(|name| recorded(&format!("evidence/hcrtm.{name}")));
    let judge = |values: &str| judge20(&signature, &["--key", &key, "--json", "--pcrs", values]);
    let whole = fs::read_to_string(&values).unwrap();
    assert!(judge(&values).code != 4);
    let (last, _) = whole.trim_end().rsplit_once('\n').unwrap();
    for (text, part) in [
        (last, "there is no value for PCR 13, sha256, which is quoted"),
        ("sha256:\n  words", "malformed"),
        ("", "no value found"),
    ] {
        let judged = judge(&files.write("pcrs", text));
        assert_says(&judged, 4, &["\"check\": \"values\"", part]);
    }
    // The checks before that of the values come first, and a file that cannot be read gives no verdict.
    let short = files.write("pcrs", last);
    let broken = judge20(&key, &["--key", &key, "--json", "--pcrs", &short]);
    assert_says(&broken, 4, &["\"check\": \"signature\""]);
    assert_eq!(judge(&files.write("pcrs", vec![0; 17_000])).code, 1);
}

#[test]
fn a_device_that_is_no_tpm_is_named() {
    let log = recorded("eventlog/ovmf.bin");
    for device in ["/dev/null", "/dev/zero"] {
        let ran = measureroot(&["replay", &format!("--tpm={device}"), &log]);
        assert_says(&ran, 2, &[&format!("measureroot: {device}: "), "is it a TPM?"]);
        assert_eq!((ran.err.lines().count(), ran.out.as_str()), (1, ""), "{ran:?}");
    }
}

#[test]
fn a_log_whose_header_names_another_register_is_refused_for_that() {
    let files = Files::new();
    let mut log = fs::read(recorded("eventlog/ovmf.bin")).unwrap();
    log[0] = 2;
    let ran = measureroot(&["replay", &files.write("log", &log)]);
    let words = "the header of the log names register 2 (that of a TPM's log names 0, and that of a confidential machine (CCEL) names 1)";
    assert_says(&ran, 2, &[words]);
}
