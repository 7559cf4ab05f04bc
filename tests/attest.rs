//! `measureroot attest` makes the evidence of a machine with a software TPM, and `measureroot verify` judges it. tpm2-tools check the same
//! quote, and make the register's challenge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use common::{Ran, measureroot};
use evidence::attesting::{attest, attest_at, booted};
use evidence::{Machine, Measured, NONCE, log};
use serde_json::{Value, json};
use swtpm::bus::message;
use swtpm::faulty::{FaultyBus, Met};

/// The attributes of the attestation key.
const ATTRIBUTES: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";

/// Makes the evidence, and reads it.
fn made(machine: &Machine, arguments: &[&str]) -> Value {
    let log = machine.file("log");
    let Ran { code, err, .. } = attest(machine, &[&["--nonce", NONCE, "--log", &log], arguments].concat());
    assert!(code == 0 && err.is_empty(), "{err}");
    serde_json::from_slice(&machine.read("evidence")).unwrap()
}

/// Judges the evidence. Only the image counts, and the key counts only if the arguments name one.
fn judge(machine: &Machine, arguments: &[&str]) -> Ran {
    let any_key: &[&str] = if arguments.contains(&"--key") { &[] } else { &["--any-key"] };
    judge_strictly(machine, &[arguments, any_key].concat())
}

fn judge_strictly(machine: &Machine, arguments: &[&str]) -> Ran {
    let (evidence, image) = (machine.file("evidence"), machine.file("image"));
    measureroot(&[&["verify", &evidence, "--image-only", "--image", &image], arguments].concat())
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// Nothing of measureroot is left in the TPM.
fn holds_nothing(machine: &Machine) {
    for handles in ["handles-transient", "handles-loaded-session", "handles-saved-session"] {
        assert_eq!(machine.swtpm.tool("tpm2_getcap", &[handles]), "", "{handles}");
    }
}

#[test]
fn one_file_is_trusted_and_tpm2_tools_find_the_same_quote_and_key_in_it() {
    let machine = booted();
    let file = made(&machine, &[]);
    holds_nothing(&machine);
    assert_eq!(machine.path("evidence").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let Ran { code, out, err } = judge(&machine, &["--nonce", NONCE]);
    assert!(code == 0 && out.starts_with("trusted: "), "{out}{err}");
    // Nobody has accepted the key.
    let words = "whose key it is was not checked: it came with the evidence, and anybody can make one (give --key";
    assert!(out.contains(&format!("\n{words}")) && err.contains("NOT KNOWN WHOSE KEY IT IS: "), "{out}{err}");
    let Ran { code, out, .. } = judge_strictly(&machine, &["--nonce", NONCE]);
    assert!(code == 3 && out.starts_with(&format!("not trusted: {words}")), "{out}");

    for (name, field) in [("quote", "quote"), ("signature", "signature"), ("key", "key")] {
        machine.write(name, &bytes(&file[field]));
    }
    machine.write("taken", &bytes(&file["logs"][0]));
    let pcrs = file["pcrs"]["sha256"].as_object().unwrap();
    // As the quote selects them: by number. The map of JSON has them by text.
    let mut numbers: Vec<u8> = pcrs.keys().map(|pcr| pcr.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]);
    machine.write("pcrs", &numbers.iter().flat_map(|pcr| bytes(&pcrs[&pcr.to_string()])).collect::<Vec<_>>());
    let [key, quote, signature, values, taken] =
        ["key", "quote", "signature", "pcrs", "taken"].map(|name| machine.file(name));
    machine.write("key.pem", machine.swtpm.tool("tpm2_print", &["-t", "TPM2B_PUBLIC", "-f", "pem", &key]).as_bytes());
    let line = ["-u", &machine.file("key.pem"), "-m", &quote, "-s", &signature, "-g", "sha256", "-q", NONCE];
    machine.swtpm.tool("tpm2_checkquote", &line);
    let printed = machine.swtpm.tool("tpm2_print", &["-t", "TPMS_ATTEST", &quote]);
    assert!(printed.contains(&format!("extraData: {NONCE}")), "{printed}");
    // The parts in files of their own get the same verdict.
    let parts = ["--quote", &quote, "--signature", &signature, "--key", &key, "--pcrs", &values, "--log", &taken];
    let options = ["--nonce", NONCE, "--image-only", "--image", &machine.file("image")];
    let same = measureroot(&[&["verify"], &parts[..], &options].concat());
    let given = judge(&machine, &["--nonce", NONCE, "--key", &key]);
    assert_eq!((same.code, same.out), (given.code, given.out), "{}", same.err);
    assert_eq!(same.code, 0);
    // What an accepted key in PEM does not say, the evidence cannot add: whoever has the private key writes the attributes in it.
    let pem = machine.file("key.pem");
    let pem = ["--nonce", NONCE, "--key", &pem];
    let Ran { code, out, .. } = judge(&machine, &pem);
    assert!(code == 3 && out.contains("the key does not say that it belongs to a TPM"), "{out}");
    assert_eq!(judge(&machine, &[&pem[..], &["--key-is-trusted"]].concat()).code, 0);
    // tpm2_createprimary makes the same key, and so does the next call: nothing has to be stored.
    machine.key_with("ecc256:ecdsa-sha256", ATTRIBUTES);
    assert_eq!(hex::encode(machine.read("ak.tss")), file["key"].as_str().unwrap());
    assert_eq!(made(&machine, &[])["key"], file["key"]);
}

#[test]
fn evidence_by_another_key_than_the_accepted_one_is_refused() {
    let machine = booted();
    made(&machine, &[]);
    // On another TPM, with the same template; and the same numbers with other attributes are another key, but for a form without attributes.
    let other = Machine::booted(&[]);
    other.key_with("ecc256:ecdsa-sha256", ATTRIBUTES);
    for form in ["tss", "tpmt", "pem", "der"] {
        let ran = judge(&machine, &["--nonce", NONCE, "--json", "--key", &other.file(&format!("ak.{form}"))]);
        let report = ran.json();
        assert_eq!((ran.code, &report["check"]), (4, &json!("key")), "{form}: {report}");
        assert!(report["reason"].as_str().unwrap().contains("is not that of --key"), "{form}: {report}");
    }
    let Ran { code, err, .. } = judge(&machine, &["--nonce", NONCE, "--key", &machine.file("image")]);
    assert!(code == 1 && err.contains("image: key"), "{code} {err}");
}

#[test]
fn the_nonce_of_the_file_makes_nothing_fresh() {
    let machine = booted();
    made(&machine, &[]);
    let Ran { code, out, .. } = judge(&machine, &[]);
    assert!(code == 3 && out.contains("it answers no nonce (give --nonce"), "{out}");
    assert_eq!(judge(&machine, &["--any-nonce"]).code, 0);
    let Ran { code, out, .. } = judge(&machine, &["--nonce", "00c0ffee00c0ffef"]);
    assert!(code == 4 && out.contains("nonce: the quote has \"00c0ffee00c0ffee\", not \"00c0ffee00c0ffef\""), "{out}");
    for (nonce, part) in
        [("00c0ffee00c0ff", "has 7 bytes, not 8 to 64"), (&"00".repeat(65), "has 65 bytes"), ("x", "hex")]
    {
        let Ran { code, err, .. } = attest(&machine, &["--nonce", nonce, "--log", &machine.file("log")]);
        assert!(code == 2 && err.contains(part), "{nonce}: {code} {err}");
    }
    // Any length of these is signed, up to the longest hash of this TPM.
    for nonce in ["01".repeat(8), "02".repeat(32), "03".repeat(64)] {
        attest(&machine, &["--nonce", &nonce, "--log", &machine.file("log")]).printed();
        assert_eq!(judge(&machine, &["--nonce", &nonce]).code, 0, "{nonce}");
    }
}

/// Judges a file with this text: it must be broken, by this check.
#[track_caller]
fn is_broken(machine: &Machine, text: &str, what: &str, check: &str, part: &str) {
    machine.write("evidence", text.as_bytes());
    let ran = judge(machine, &["--nonce", NONCE, "--json"]);
    assert_eq!(ran.code, 4, "{what}: {}{}", ran.out, ran.err);
    let report = ran.json();
    assert_eq!((&report["verdict"], &report["fresh"]), (&json!("broken"), &json!(false)), "{what}");
    let reason = report["reason"].as_str().unwrap();
    assert!(report["check"].as_str().is_some_and(|found| check.split('|').any(|one| one == found)), "{what}: {report}");
    assert!(reason.contains(part), "{what}: {reason}");
}

/// The same text in hex with one bit altered.
fn flipped(text: &str, byte: usize, bit: u8) -> String {
    let mut bytes = hex::decode(text).unwrap();
    bytes[byte] ^= 1 << bit;
    hex::encode(bytes)
}

#[test]
fn each_field_that_is_altered_is_refused_with_its_reason() {
    let machine = booted();
    let file = made(&machine, &[]);
    let whole = serde_json::to_string(&file).unwrap();
    let fields: Vec<_> = file.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["key", "logs", "measureroot-evidence", "nonce", "pcrs", "quote", "signature"]);
    for field in &fields {
        let changed = |value: Option<Value>| {
            let mut file = file.clone();
            match value {
                Some(value) => drop(file.as_object_mut().unwrap().insert(field.clone(), value)),
                None => drop(file.as_object_mut().unwrap().remove(field)),
            }
            file.to_string()
        };
        let missing = format!("the field {field:?} is missing");
        is_broken(&machine, &changed(None), field, "evidence", &missing);
        for other in [json!(null), json!(true), json!([[]]), json!({"x": 1}), json!(0.5)] {
            is_broken(&machine, &changed(Some(other)), field, "evidence", "evidence");
        }
        let twice = whole.replacen('{', &format!("{{{}:{},", json!(field), file[field]), 1);
        is_broken(&machine, &twice, field, "evidence", &format!("the field {field:?} is given twice"));
        let more = whole.replacen('{', &format!("{{{}:1,", json!(format!("{field}2"))), 1);
        is_broken(&machine, &more, field, "evidence", "is not known");
    }
    let with = |field: &str, value: Value| {
        let mut file = file.clone();
        *file.pointer_mut(field).unwrap() = value;
        file.to_string()
    };
    is_broken(&machine, &with("/measureroot-evidence", json!(2)), "version", "evidence", "is of version 2");
    // Each byte of each structure. A key's length or type decides how it is read, so its reason differs.
    for (field, checks) in
        [("nonce", "nonce"), ("quote", "quote|signature"), ("signature", "signature"), ("key", "key|signature")]
    {
        let text = file[field].as_str().unwrap();
        for byte in 0..text.len() / 2 {
            let altered = with(&format!("/{field}"), json!(flipped(text, byte, u8::try_from(byte % 8).unwrap())));
            is_broken(&machine, &altered, &format!("{field}, byte {byte}"), checks, ": ");
        }
        for (short, name) in
            [(&text[2..], "without its first byte"), (&text[..text.len() - 2], "cut off"), ("", "empty")]
        {
            is_broken(&machine, &with(&format!("/{field}"), json!(short)), &format!("{field} {name}"), checks, ": ");
        }
        let upper = with(&format!("/{field}"), json!(text.to_uppercase()));
        is_broken(&machine, &upper, field, "evidence", "the digits are 0-9 and a-f");
    }
    for pcr in file["pcrs"]["sha256"].as_object().unwrap().keys() {
        let place = format!("/pcrs/sha256/{pcr}");
        let text = file.pointer(&place).unwrap().as_str().unwrap();
        is_broken(&machine, &with(&place, json!(flipped(text, 31, 0))), &place, "values", "are not the quoted values");
        let mut without = file.clone();
        without["pcrs"]["sha256"].as_object_mut().unwrap().remove(pcr);
        is_broken(
            &machine,
            &without.to_string(),
            &place,
            "values",
            &format!("PCR {pcr}, sha256: is quoted, and has no"),
        );
    }
    let (values, zero) = (&file["pcrs"]["sha256"], "00".repeat(32));
    for (pcrs, check, part) in [
        (json!({ "sha256": { "10": zero } }), "values", "PCR 0, sha256: is quoted, and has no value"),
        (
            json!({ "sha256": values, "sha384": { "13": "00".repeat(48) } }),
            "values",
            "PCR 13, sha384: has a value, and",
        ),
        (json!({ "sha384": values }), "evidence", "32 bytes, but a sha384 digest has 48"),
        (json!({}), "values", "PCR 0, sha256: is quoted, and has no value"),
    ] {
        is_broken(&machine, &with("/pcrs", pcrs), "pcrs", check, part);
    }
    // The digest of an event in the log: an altered one does not lead to the quote. Each byte of a word of the log proves nothing.
    let log_text = file["logs"][0].as_str().unwrap();
    for event in [Measured::other(4, "kernel"), Measured::image(b"image")] {
        let digest = hex::encode(event.digests[&measureroot::internal::hash::Bank::Sha256].as_bytes());
        let altered = log_text.replace(&digest, &flipped(&digest, 0, 0));
        is_broken(&machine, &with("/logs/0", json!(altered)), "log", "log", "do not lead to the quoted PCRs");
    }
    is_broken(&machine, &with("/logs/0", json!(log_text[..log_text.len() - 2])), "log", "log", "log 1: ");
    is_broken(&machine, &with("/logs", json!([])), "logs", "log", "");
    is_broken(&machine, &with("/logs", json!([log_text, "00"])), "logs", "log", "log 2: ");
    // What is no such file.
    for other in ["", "{}", "[]", "evidence", &whole[1..], &format!("{whole}x"), &whole.replace("\"4\":", "\"13\":")] {
        is_broken(&machine, other, other, "evidence", "evidence");
    }
}

/// Extends PCR 14 of the TPM at this device, as another program does.
fn extend_pcr_14(device: &std::path::Path) {
    let event = Measured::other(14, "later");
    let digest = event.digests[&measureroot::internal::hash::Bank::Sha256].as_bytes();
    // TPM2_PCR_Extend with an empty password (TPM 2.0 Library, Part 3, section 22.2).
    let body = [&[0, 0, 0, 14, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x0b][..], digest].concat();
    let length = u32::try_from(10 + body.len()).unwrap().to_be_bytes();
    let command = [&[0x80, 0x02][..], &length, &[0, 0, 0x01, 0x82], &body].concat();
    let mut tpm = File::options().read(true).write(true).open(device).unwrap();
    tpm.write_all(&command).unwrap();
    assert_eq!(message(&mut tpm).unwrap()[6..10], [0; 4]);
}

/// The codes of TPM2_CreatePrimary, TPM2_Quote and TPM2_PCR_Read.
const CREATE_PRIMARY: u32 = 0x131;
const QUOTE: u32 = 0x158;
const PCR_READ: u32 = 0x17e;

#[test]
fn a_pcr_that_is_extended_meanwhile_is_quoted_again_and_not_for_ever() {
    let events = [Measured::other(4, "kernel"), Measured::image(b"image")];
    for (most, code) in [(1, 0), (3, 0), (usize::MAX, 1)] {
        let machine = booted();
        let later = vec![Measured::other(14, "later"); most.min(9)];
        machine.write("log", &log(&[&events[..], &later].concat()));
        let (device, mut quotes, mut is_new) = (machine.swtpm.device.clone(), 0, false);
        let bus = FaultyBus::new(&machine.swtpm, move |_, code| {
            if code == QUOTE {
                (quotes, is_new) = (quotes + 1, true);
            }
            if code == PCR_READ && is_new && quotes <= most {
                is_new = false;
                extend_pcr_14(&device);
            }
            None
        });
        let log = machine.file("log");
        let ran = attest_at(&machine, bus.device.to_str().unwrap(), &["--nonce", NONCE, "--log", &log]);
        let count = bus.seen().codes.iter().filter(|code| **code == QUOTE).count();
        assert_eq!((ran.code, count), (code, most.min(3) + 1), "{}", ran.err);
        holds_nothing(&machine);
        if code == 0 {
            assert_eq!(judge(&machine, &["--nonce", NONCE]).code, 0);
        } else {
            assert!(ran.err.contains("check of the values: ") && !machine.path("evidence").exists(), "{}", ran.err);
        }
    }
}

#[test]
fn without_the_curve_the_key_is_rsa_and_a_tpm_that_fails_leaves_no_file() {
    let machine = booted();
    let log = machine.file("log");
    let answer = |code: u32| move |_: &[u8], _: &[u8]| [&[0x80, 1, 0, 0, 0, 10][..], &code.to_be_bytes()].concat();
    // TPM_RC_CURVE of parameter 2; TPM_RC_FAILURE of the first command of each kind.
    for (at, spoiled, code, part) in [
        (CREATE_PRIMARY, 0x2e6, 0, ""),
        (CREATE_PRIMARY, 0x101, 1, "the TPM is in failure mode"),
        (QUOTE, 0x101, 1, "the TPM is in failure mode"),
        (PCR_READ, 0x101, 1, "the TPM is in failure mode"),
    ] {
        std::fs::remove_file(machine.path("evidence")).ok();
        let mut is_spoiled = false;
        let bus = FaultyBus::new(&machine.swtpm, move |_, code| {
            let is_first = code == at && !is_spoiled;
            is_spoiled |= is_first;
            is_first.then(|| Met::Answered { has_run: false, spoil: Box::new(answer(spoiled)) })
        });
        let ran = attest_at(&machine, bus.device.to_str().unwrap(), &["--nonce", NONCE, "--log", &log]);
        bus.seen();
        assert!(ran.code == code && ran.err.contains(part), "{at:x}: {}", ran.err);
        assert_eq!(machine.path("evidence").exists(), code == 0);
        holds_nothing(&machine);
        if code == 0 {
            let report = judge(&machine, &["--nonce", NONCE, "--json"]).json();
            assert_eq!(report["evidence"]["key"], json!("RSA 2048"), "{report}");
            assert_eq!(report["verdict"], json!("trusted"), "{report}");
        }
    }
}

#[test]
fn a_hierarchy_with_a_password_is_named_and_a_persistent_key_needs_none() {
    let machine = booted();
    machine.key_with("ecc256:ecdsa-sha256", ATTRIBUTES);
    machine.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", &machine.file("ak.ctx"), "0x81010002"]);
    let (key, log) = (hex::encode(machine.read("ak.tss")), machine.file("log"));
    machine.tool("tpm2_changeauth", &["-Q", "-c", "e", "secret"]);
    for arguments in [&["--nonce", NONCE, "--log", &log][..], &["--enroll"]] {
        let Ran { code, err, .. } = attest(&machine, arguments);
        assert!(code == 1 && err.contains("endorsement hierarchy: has a password"), "{err}");
        assert!(err.contains("give its --handle"), "{err}");
    }
    assert_eq!(made(&machine, &["--handle", "0x81010002"])["key"].as_str().unwrap(), key);
    assert_eq!(judge(&machine, &["--nonce", NONCE]).code, 0);
    holds_nothing(&machine);
    // A handle without a key, and a key that also decrypts.
    let Ran { code, err, .. } = attest(&machine, &["--nonce", NONCE, "--log", &log, "--handle", "0x81010003"]);
    assert!(code == 1 && err.contains("key at the handle 0x81010003: ") && err.contains("handles-persistent"), "{err}");
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
    let context = machine.file("free.ctx");
    machine.tool(
        "tpm2_createprimary",
        &["-Q", "-C", "o", "-G", "ecc256:ecdsa-sha256:null", "-a", attributes, "-c", &context],
    );
    machine.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", &context, "0x81010003"]);
    let Ran { code, err, .. } = attest(&machine, &["--nonce", NONCE, "--log", &log, "--handle", "0x81010003"]);
    assert!(code == 1 && err.contains("check of the key: ") && err.contains("restricted is not set"), "{err}");
}

#[test]
fn other_pcrs_and_banks_are_quoted_if_they_are_asked_for() {
    let machine = booted();
    let file = made(&machine, &["--pcrs", "sha384:13+sha256:4,13"]);
    let banks: Vec<_> = file["pcrs"].as_object().unwrap().iter().map(|(bank, pcrs)| (bank.as_str(), pcrs)).collect();
    assert!(
        matches!(banks[..], [("sha256", two), ("sha384", one)] if two.as_object().unwrap().len() == 2
        && one.as_object().unwrap().len() == 1),
        "{banks:?}"
    );
    assert_eq!(judge(&machine, &["--nonce", NONCE]).code, 0);
    // Without the image's PCR, the verifier has no verdict.
    made(&machine, &["--pcrs", "sha256:4"]);
    let Ran { code, out, .. } = judge(&machine, &["--nonce", NONCE]);
    assert!(code == 4 && out.contains("PCR 13: is not in the quote"), "{out}");
    // Logs that do not belong to this boot: the file is written, because the verifier decides, and the warning says what it will say.
    machine.write("log", &log(&[Measured::image(b"another")]));
    let Ran { code, err, .. } = attest(&machine, &["--nonce", NONCE, "--log", &machine.file("log")]);
    assert!(code == 0 && err.contains("the verifier will not accept this evidence: logs: do not lead to"), "{err}");
    assert_eq!(judge(&machine, &["--nonce", NONCE]).code, 4);
}

#[test]
fn a_register_accepts_the_key_by_a_secret_that_only_this_tpm_decrypts() {
    let machine = booted();
    // A certificate: measureroot reads its frame and its key alone. The register checks the rest.
    let certificate = |number: &[u8]| [&[0x30, 0x82, 1, 44][..], &[7; 12], number, &[7; 32], &[0xff; 20]].concat();
    for (kind, index) in [("none", ""), ("ecc", "0x01c0000a"), ("rsa", "0x01c00002")] {
        let file = |name: &str| machine.file(name);
        if !index.is_empty() {
            let (ek, public) = (file("ek.ctx"), file("ek.tss"));
            machine.tool("tpm2_createek", &["-Q", "-G", kind, "-c", &ek, "-u", &public]);
            let key = machine.read("ek.tss");
            let number = &key[key.len() - 256.min(key.len())..];
            let mut bytes = certificate(&[&vec![9; 256 - number.len()][..], number].concat());
            bytes.truncate(4 + 300 + 20);
            machine.write("certificate", &bytes);
            let size = bytes.len().to_string();
            let attributes = "ownerread|authread|ppread|ppwrite|platformcreate|no_da";
            machine.tool("tpm2_nvdefine", &["-Q", "-C", "p", "-s", &size, "-a", attributes, index]);
            machine.tool("tpm2_nvwrite", &["-Q", "-C", "p", "-i", &file("certificate"), index]);
        }
        let Ran { code, err, .. } = attest(&machine, &["--enroll"]);
        assert!(code == 0 && err.contains("has no certificate") == index.is_empty(), "{kind}: {err}");
        holds_nothing(&machine);
        let enrolment: Value = serde_json::from_slice(&machine.read("evidence")).unwrap();
        assert_eq!(enrolment["measureroot-enrolment"], json!(1));
        assert_eq!(enrolment.get("endorsement_certificate").is_some(), !index.is_empty());
        let endorsement = bytes(&enrolment["endorsement_key"]);
        if !index.is_empty() {
            assert_eq!(endorsement, machine.read("ek.tss"), "{kind}");
            let certificate = bytes(&enrolment["endorsement_certificate"]);
            assert_eq!(certificate[..], machine.read("certificate")[..304], "without what fills the index");
        }
        machine.write("register.ek", &endorsement);
        machine.write("secret", b"a secret of the register");
        // The register needs no TPM for this.
        let (ek, secret, challenge) = (file("register.ek"), file("secret"), file("challenge"));
        // TPM_ALG_SHA256, then the hash of TPMT_PUBLIC (TPM 2.0 Library, Part 1, section 16).
        let key = bytes(&enrolment["key"]);
        machine.write("register.key", &key);
        let name = &format!("000b{}", measureroot::internal::hash::Bank::Sha256.digest(&key[2..]));
        let make = |name: &str| {
            let line = ["-Q", "-T", "none", "-u", &ek, "-s", &secret, "-n", name, "-o", &challenge];
            common::run("tpm2_makecredential", &line)
        };
        make(name);
        attest(&machine, &["--activate", &challenge]).printed();
        assert_eq!(machine.read("evidence"), b"a secret of the register", "{kind}");
        holds_nothing(&machine);
        // The evidence has the key of this name.
        made(&machine, &[]);
        let report = judge(&machine, &["--nonce", NONCE, "--json"]).json();
        assert_eq!(report["evidence"]["key_name"].as_str().unwrap(), name);
        let Ran { code, out, err } = judge(&machine, &["--nonce", NONCE, "--key", &file("register.key")]);
        assert!(code == 0 && !(out + &err).contains("whose key"), "{kind}");
        // For another key, or altered.
        std::fs::remove_file(machine.path("evidence")).unwrap();
        let mut whole = machine.read("challenge");
        make(&flipped(name, 20, 3));
        let refused = attest(&machine, &["--activate", &challenge]);
        assert!(refused.code == 1 && refused.err.contains("is the challenge for this TPM"), "{}", refused.err);
        *whole.last_mut().unwrap() ^= 1;
        machine.write("challenge", &whole);
        assert_eq!(attest(&machine, &["--activate", &challenge]).code, 1);
        machine.write("challenge", &whole[..whole.len() - 1]);
        let refused = attest(&machine, &["--activate", &challenge]);
        assert!(refused.code == 1 && refused.err.contains("challenge, byte"), "{}", refused.err);
        assert!(!machine.path("evidence").exists());
        holds_nothing(&machine);
    }
}

#[test]
fn wrong_arguments_and_files_are_named() {
    let machine = booted();
    let log = machine.file("log");
    for (arguments, part) in [
        (&[][..], "--nonce"),
        (&["--enroll", "--nonce", NONCE], "cannot be used with"),
        (&["--enroll", "--log", &log], "cannot be used with"),
        (&["--nonce", NONCE, "--pcrs", "sha256"], "is no list of PCRs"),
        (&["--nonce", NONCE, "--handle", "0x40000001"], "is no persistent handle"),
    ] {
        let Ran { code, err, .. } = attest(&machine, arguments);
        assert!(code == 2 && err.contains(part), "{arguments:?}: {code} {err}");
    }
    let Ran { code, err, .. } = attest(&machine, &["--nonce", NONCE, "--log", &machine.file("none")]);
    assert!(code == 1 && err.contains("none: No such file"), "{err}");
    let Ran { code, err, .. } = attest_at(&machine, "/dev/no-such-tpm", &["--enroll"]);
    assert!(code == 1 && err.contains("/dev/no-such-tpm: ") && err.contains("--tpm=DEVICE names another"), "{err}");
    let evidence = machine.file("evidence");
    machine.write("evidence", b"old");
    let Ran { code, err, .. } = attest(&machine, &["--activate", &evidence]);
    assert!(code == 1 && err.contains("is the same file as the input"), "{err}");
    assert_eq!(machine.read("evidence"), b"old");
    // Standard output is checked as that of the commands in tests/outputs.rs.
    let line = format!("attest --enroll --tpm {} --output -", machine.swtpm.device.display());
    for (redirection, code, part) in [
        (" | head --bytes=5", 0, "{\n"),
        (" >&-", 1, "standard output: is closed"),
        (" >/dev/full", 1, "standard output: No space left on device"),
    ] {
        let Ran { code: ended, out, err } =
            common::shell(&format!("measureroot {line}{redirection}"), &machine.path(""), &[]);
        assert!(ended == code && (out.starts_with(part) || err.contains(part)), "{redirection}: {ended} {out}{err}");
    }
    // verify: the file and its parts exclude each other.
    let Ran { code, err, .. } = judge(&machine, &["--quote", &evidence]);
    assert!(code == 2 && err.contains("cannot be used with"), "{err}");
    let Ran { code, err, .. } = measureroot(&["verify", "--quote", &evidence, "--image", &evidence]);
    assert!(code == 2 && err.contains("--signature") && err.contains("--key") && err.contains("--log"), "{err}");
}
