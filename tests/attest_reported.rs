//! What people reported of programs that quote a TPM and enrol it: `measureroot attest` with the same TPMs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, measureroot, run};
use evidence::attesting::{attest, attest_at, booted};
use evidence::{Machine, Measured, NONCE, log};
use measureroot::internal::hash::Bank;
use serde_json::{Value, json};
use swtpm::faulty::{FaultyBus, Met};

/// The attributes of an attestation key, and those of the endorsement keys of the high range.
const SIGNS: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign";
const DECRYPTS: &str = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|adminwithpolicy|restricted|decrypt";

fn quote(machine: &Machine, arguments: &[&str]) -> Ran {
    attest(machine, &[&["--nonce", NONCE, "--log", &machine.file("log")], arguments].concat())
}

fn enrolment(machine: &Machine) -> Value {
    serde_json::from_slice(&machine.read("evidence")).unwrap()
}

/// Writes what stands for a certificate of this key (its frame, and the last 32 bytes of the key in it) to an NV index. `write` says whether the
/// index gets the bytes.
fn certify(machine: &Machine, index: &str, key: &[u8], attributes: &str, write: bool) {
    let body = [&[7; 300][..], &key[key.len() - 32..]].concat();
    let bytes = [&[0x30, 0x82, 1, 76][..], &body, &[0xff; 20]].concat();
    machine.write("certificate", &bytes);
    let size = bytes.len().to_string();
    machine.tool("tpm2_nvdefine", &["-Q", "-C", "p", "-s", &size, "-a", attributes, index]);
    if write {
        machine.tool("tpm2_nvwrite", &["-Q", "-C", "p", "-i", &machine.file("certificate"), index]);
    }
}

/// The attributes of the NV index of a certificate, as swtpm_setup defines it.
const CERTIFICATE: &str = "ownerread|authread|ppread|ppwrite|platformcreate|no_da";

/// The register makes a challenge for the keys of the enrolment, and the machine answers it.
fn answers_the_register(machine: &Machine) {
    let bytes = |field: &str| hex::decode(enrolment(machine)[field].as_str().unwrap()).unwrap();
    let (key, endorsement) = (bytes("key"), bytes("endorsement_key"));
    machine.write("register.ek", &endorsement);
    machine.write("secret", b"a secret of the register");
    let name = format!("000b{}", Bank::Sha256.digest(&key[2..]));
    let [ek, secret, challenge] = ["register.ek", "secret", "challenge"].map(|name| machine.file(name));
    run("tpm2_makecredential", &["-Q", "-T", "none", "-u", &ek, "-s", &secret, "-n", &name, "-o", &challenge]);
    attest(machine, &["--activate", &challenge]).printed();
    assert_eq!(machine.read("evidence"), b"a secret of the register");
}

#[test]
fn a_certificate_in_the_high_range_is_found_with_its_key() {
    // As tpm2_createek of other versions makes them: template H-1, H-2, H-3 and H-6 of TCG's profile.
    let policy_256 = "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0";
    let policy_384 = "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12";
    for (index, kind, hash, policy) in [
        ("0x01c00012", "rsa2048:null:aes128cfb", "sha256", policy_256),
        ("0x01c00014", "ecc256:null:aes128cfb", "sha256", policy_256),
        ("0x01c00016", "ecc384:null:aes256cfb", "sha384", policy_384),
        ("0x01c0001c", "rsa3072:null:aes256cfb", "sha384", policy_384),
    ] {
        let machine = booted();
        let [context, public, file] = ["ek.ctx", "ek.tss", "policy"].map(|name| machine.file(name));
        machine.write("policy", &hex::decode(policy).unwrap());
        let line = ["-Q", "-C", "e", "-g", hash, "-G", kind, "-L", &file, "-a", DECRYPTS, "-c", &context];
        machine.tool("tpm2_createprimary", &line);
        machine.tool("tpm2_readpublic", &["-Q", "-c", &context, "-f", "tss", "-o", &public]);
        let key = machine.read("ek.tss");
        certify(&machine, index, &key, CERTIFICATE, true);
        let Ran { code, err, .. } = attest(&machine, &["--enroll"]);
        assert!(code == 0 && err.is_empty(), "{index}: {err}");
        assert_eq!(enrolment(&machine)["endorsement_key"], json!(hex::encode(&key)), "{index}");
        assert!(enrolment(&machine)["endorsement_certificate"].is_string(), "{index}");
        answers_the_register(&machine);
    }
}

#[test]
fn a_certificate_is_read_whatever_may_read_it_and_a_place_without_one_is_none() {
    let machine = booted();
    machine.tool("tpm2_createek", &["-Q", "-G", "ecc", "-c", &machine.file("ek.ctx"), "-u", &machine.file("ek.tss")]);
    let key = machine.read("ek.tss");
    // The index for RSA is defined, and never written. That for ECC may be read by the owner alone.
    certify(&machine, "0x01c00002", &key, CERTIFICATE, false);
    certify(&machine, "0x01c0000a", &key, "ownerread|ppread|ppwrite|platformcreate|no_da", true);
    let Ran { code, err, .. } = attest(&machine, &["--enroll"]);
    assert!(
        code == 0 && err.contains("0x01c00002: is the place of a certificate, and nothing was written there"),
        "{err}"
    );
    assert_eq!(enrolment(&machine)["endorsement_key"], json!(hex::encode(&key)));
    // The owner has a password: that index cannot be read, and one that its own empty password opens can.
    machine.tool("tpm2_changeauth", &["-Q", "-c", "o", "secret"]);
    let Ran { code, err, .. } = attest(&machine, &["--enroll"]);
    assert!(
        code == 1 && err.contains("0x01c0000a: cannot be read without a password of the index or the owner"),
        "{err}"
    );
    machine.tool("tpm2_nvundefine", &["-Q", "-C", "p", "0x01c0000a"]);
    certify(&machine, "0x01c0000a", &key, CERTIFICATE, true);
    let Ran { code, err, .. } = attest(&machine, &["--enroll"]);
    assert!(code == 0, "{err}");
    answers_the_register(&machine);
}

#[test]
fn a_key_with_a_password_and_one_that_does_not_sign_are_named() {
    let machine = booted();
    let context = machine.file("ak.ctx");
    let persist = |handle: &str| machine.tool("tpm2_evictcontrol", &["-Q", "-C", "o", "-c", &context, handle]);
    let line = ["-Q", "-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-a", SIGNS, "-c", &context, "-p", "secret"];
    machine.tool("tpm2_createprimary", &line);
    persist("0x81010002");
    let Ran { code, err, .. } = quote(&machine, &["--handle", "0x81010002"]);
    assert!(code == 1 && err.contains("attestation key: has a password, and attest gives none"), "{err}");
    assert!(!err.contains("attacker"), "{err}");
    // The storage key of a system, and a key that signs with any scheme.
    machine.tool("tpm2_createprimary", &["-Q", "-C", "o", "-G", "ecc", "-c", &context]);
    persist("0x81000001");
    let Ran { code, err, .. } = quote(&machine, &["--handle", "0x81000001"]);
    assert!(code == 1 && err.contains("TPM2_Quote: ") && err.contains("is it an attestation key?"), "{err}");
}

#[test]
fn a_tpm_that_is_full_of_the_keys_of_others_is_named_so() {
    let machine = booted();
    for _ in 0..3 {
        machine.swtpm.tool("tpm2_createprimary", &["-Q", "-C", "o", "-G", "ecc", "-c", &machine.file("other.ctx")]);
    }
    let Ran { code, err, .. } = quote(&machine, &[]);
    assert!(code == 1 && err.contains("TPM_RC_OBJECT_MEMORY") && err.contains("--tpm /dev/tpmrm0"), "{err}");
    machine.swtpm.tool("tpm2_flushcontext", &["-t"]);
    quote(&machine, &[]).printed();
}

#[test]
fn a_bank_that_is_not_active_cannot_be_quoted() {
    let machine = booted();
    machine.tool("tpm2_pcrallocate", &["-Q", "sha384:none"]);
    // TPM2_Startup(CLEAR).
    machine.swtpm.reset(&[0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0]);
    for list in ["sha384:13", "sha256:4+sha384:4,13"] {
        let Ran { code, err, .. } = quote(&machine, &["--pcrs", list]);
        assert!(code == 1 && err.contains("--pcrs: PCR ") && err.contains(", sha384: "), "{list}: {err}");
        assert!(
            err.contains("this bank is not active in the TPM (PCR ") && err.contains(" has sha1, sha256, sha512;"),
            "{list}: {err}"
        );
    }
}

#[test]
fn a_tpm_with_one_strong_bank_is_quoted_in_it() {
    let events = [Measured::other(4, "kernel"), Measured::image(b"image")];
    let machine = Machine::booted_with("sha384", &events);
    machine.write("log", &log(&events));
    machine.write("image", b"image");
    quote(&machine, &[]).printed();
    let (evidence, image) = (machine.file("evidence"), machine.file("image"));
    let Ran { code, out, err } =
        measureroot(&["verify", &evidence, "--image-only", "--image", &image, "--any-key", "--nonce", NONCE]);
    assert!(code == 0 && out.starts_with("trusted: "), "{out}{err}");
}

#[test]
fn a_tpm_that_asks_to_send_again_is_asked_again() {
    let machine = booted();
    let log = machine.file("log");
    // TPM_RC_RETRY, TPM_RC_TESTING, TPM_RC_YIELDED, each as the first answer to each kind of command.
    for busy in [0x922_u32, 0x90a, 0x908] {
        let mut met = std::collections::BTreeSet::new();
        let bus = FaultyBus::new(&machine.swtpm, move |_, code| {
            let answer = move |_: &[u8], _: &[u8]| [&[0x80, 1, 0, 0, 0, 10][..], &busy.to_be_bytes()].concat();
            met.insert(code).then(|| Met::Answered { has_run: false, spoil: Box::new(answer) })
        });
        let ran = attest_at(&machine, bus.device.to_str().unwrap(), &["--nonce", NONCE, "--log", &log]);
        let codes = bus.seen().codes;
        assert!(ran.code == 0 && codes.windows(2).any(|two| two[0] == two[1]), "{busy:x}: {}", ran.err);
    }
}

#[test]
fn a_tpm_in_lockout_still_quotes_and_is_enrolled() {
    let machine = booted();
    let object = machine.file("locked.ctx");
    machine.tool("tpm2_dictionarylockout", &["-Q", "-s", "-n", "1", "-t", "1000", "-l", "1000"]);
    machine.swtpm.tool(
        "tpm2_createprimary",
        &[
            "-Q",
            "-C",
            "o",
            "-G",
            "ecc256:ecdsa-sha256:null",
            "-a",
            "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign",
            "-p",
            "secret",
            "-c",
            &object,
        ],
    );
    let tcti = machine.swtpm.tcti();
    let failed = std::process::Command::new("tpm2_sign")
        .args(["-Q", "-T", &tcti, "-c", &object, "-p", "wrong", "-o", &machine.file("sig"), &machine.file("image")])
        .output()
        .unwrap();
    assert!(!failed.status.success());
    machine.swtpm.tool("tpm2_flushcontext", &["-t"]);
    assert!(machine.swtpm.tool("tpm2_getcap", &["properties-variable"]).contains("inLockout:                 1"));
    quote(&machine, &[]).printed();
    attest(&machine, &["--enroll"]).printed();
    answers_the_register(&machine);
}
