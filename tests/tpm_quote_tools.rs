//! A TPM 1.2 with the programs of tpm-tools and tpm-quote-tools: quotes that `verify` judges, and secrets that only the predicted image
//! can open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;
mod trousers;

use std::collections::BTreeSet;

use common::{ROOT, Ran, measureroot, squashfs};
use evidence::Measured;
use measureroot::internal::eventlog;
use measureroot::internal::hash::Bank;
use trousers::Machine;

const NONCE: [u8; 20] = [0xA5; 20];

/// An event in the log of a TPM 1.2 (`TCG_PCR_EVENT`; TCG PC Client Platform Firmware Profile 1.05, section 10.2.1).
fn entry(event: &Measured) -> Vec<u8> {
    let length = u32::try_from(event.data.len()).unwrap();
    let (digest, length) = (event.digests[&Bank::Sha1].as_bytes(), length.to_le_bytes());
    [&event.pcr.to_le_bytes()[..], &event.kind.0.to_le_bytes(), digest, &length, &event.data].concat()
}

fn extend(machine: &Machine, events: &[Measured]) {
    for event in events {
        machine.extend(event.pcr, event.digests[&Bank::Sha1].as_bytes());
    }
}

fn events(image: &[u8]) -> [Measured; 3] {
    [Measured::other(4, "boot loader"), Measured::other(4, "kernel"), Measured::image(&squashfs(image))]
}

/// A machine that booted the image with the content `image`. It has a key, a quote of PCR 4 and 13, the log and the image.
fn quoted() -> Machine {
    let machine = Machine::new();
    machine.key();
    extend(&machine, &events(b"image"));
    machine.write("log", &events(b"image").iter().flat_map(entry).collect::<Vec<_>>());
    machine.write("image", &squashfs(b"image"));
    machine.quote(&NONCE, &["4", "13"]);
    machine
}

/// The arguments of `verify`, with the files of a machine.
fn verify(machine: &Machine, arguments: &[&str]) -> Ran {
    let [signature, pcrs, log] = ["quote", "pcrs", "log"].map(|name| machine.file(name));
    measureroot(
        &[&["verify", "--signature", &signature, "--pcrs", &pcrs, "--log", &log, "--image-only"], arguments].concat(),
    )
}

/// The same with the key blob, the nonce, the image and `--sha1`.
fn judge(machine: &Machine) -> Ran {
    let (key, image, nonce) = (machine.file("aik.blob"), machine.file("image"), hex::encode(NONCE));
    verify(machine, &["--key", &key, "--image", &image, "--nonce", &nonce, "--sha1"])
}

/// What `tpm_verifyquote` says of the quote, whose signed structure is the file `hash`, but for the nonce.
fn tpm_verifyquote(machine: &Machine) -> i32 {
    // OpenSSL 3 reads no number with a zero byte in front, as tpm_mkaik writes the length of the key.
    let key = machine.read("aik.pub");
    let (head, key) = key.split_at(20);
    assert_eq!(hex::encode(head), "3082012c02010102010202040000011c0482011c");
    machine.write("aik.der", &[&hex::decode("3082012a0201010201020202011c0482011c").unwrap()[..], key].concat());
    machine.run("tpm_verifyquote", &["aik.der", "hash", "nonce", "quote"]).code
}

#[test]
fn both_forms_of_a_quote_are_judged() {
    let machine = quoted();
    let is_trusted = |form: &str| {
        let Ran { code, out, err } = judge(&machine);
        assert!(code == 0 && out.starts_with("trusted: "), "{form}: {out}{err}");
        assert!(err.contains("ONLY SHA-1: a TPM 1.2 has no other hash"), "{err}");
        assert_eq!(tpm_verifyquote(&machine), 0, "{form}");
    };
    machine.tool("tpm_getpcrhash", &["uuid", "hash", "pcrs", "4", "13"]);
    let quote2 = machine.read("hash");
    assert!(quote2.starts_with(b"\0\x36QUT2"));
    is_trusted("TPM_Quote2");
    // TPM_QUOTE_INFO: the version, the name, the digest, which is the same, and the nonce, which tpm_verifyquote puts in.
    machine.write("hash", &[b"\x01\x01\0\0QUOT", &quote2[quote2.len() - 20..], &[0; 20]].concat());
    assert_ne!(tpm_verifyquote(&machine), 0, "a signature of the newer form");
    machine.quote_as_before();
    machine.quote(&NONCE, &["4", "13"]);
    is_trusted("TPM_Quote");
}

#[test]
fn the_predicted_value_is_the_one_that_tpm_verifyquote_accepts() {
    let machine = Machine::new();
    machine.key();
    // The structure of a machine that has not booted, whose value is replaced by the prediction.
    machine.tool("tpm_getpcrhash", &["uuid", "old", "pcrs", "13"]);
    machine.write("image", &squashfs(b"image"));
    let predicted = measureroot(&["predict", "--format", "tpm-updatepcrhash", &machine.file("image")]).printed();
    machine.write("predicted", predicted.as_bytes());
    machine.tool("tpm_updatepcrhash", &["old", "predicted", "hash"]);
    machine.quote(&NONCE, &["13"]);
    assert_ne!(tpm_verifyquote(&machine), 0, "the image has not booted");
    extend(&machine, &[Measured::image(&squashfs(b"image"))]);
    machine.quote(&NONCE, &["13"]);
    assert_eq!(tpm_verifyquote(&machine), 0);
    assert_eq!(String::from_utf8(machine.read("pcrs")).unwrap(), predicted);
}

#[test]
fn an_altered_quote_is_refused_and_tpm_verifyquote_agrees() {
    let machine = quoted();
    machine.tool("tpm_getpcrhash", &["uuid", "hash", "pcrs", "4", "13"]);
    let broken = |why: &str| {
        let Ran { code, out, err } = judge(&machine);
        assert!(code == 4 && out.contains(why), "{why}: {out}{err}");
    };
    let no_signature = "signature: is not that of this key for a quote of these PCR values and this nonce";
    let quote = machine.read("quote");
    for at in [0, 100, 255] {
        let mut altered = quote.clone();
        altered[at] ^= 1;
        machine.write("quote", &altered);
        broken(no_signature);
        assert_ne!(tpm_verifyquote(&machine), 0, "byte {at}");
    }
    machine.quote(&[0; 20], &["4", "13"]);
    broken(no_signature);
    machine.write("nonce", &NONCE);
    assert_ne!(tpm_verifyquote(&machine), 0, "the quote of another nonce");
    machine.quote(&NONCE, &["4"]);
    broken("PCR 13: is not in the quote");
    let alone = machine.read("pcrs");
    machine.quote(&NONCE, &["4", "13"]);
    let both = machine.read("pcrs");
    machine.write("pcrs", &alone);
    broken(no_signature);
    assert_eq!(tpm_verifyquote(&machine), 0, "the quote itself is good");
    machine.write("pcrs", &both);
    machine.write("log", &events(b"another image").iter().flat_map(entry).collect::<Vec<_>>());
    broken("logs: do not lead to the quoted PCRs");
    machine.key();
    broken(no_signature);
}

#[test]
fn tpm_getquote_signs_the_first_twenty_bytes_of_a_nonce() {
    let machine = quoted();
    machine.write("nonce", &NONCE[..19]);
    assert_ne!(machine.run("tpm_getquote", &["uuid", "nonce", "short", "4", "13"]).code, 0);
    machine.quote(&[&NONCE[..], &[1; 4]].concat(), &["4", "13"]);
    let Ran { code, out, err } = judge(&machine);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn what_is_missing_is_named() {
    let machine = quoted();
    let (blob, public, image) = (machine.file("aik.blob"), machine.file("aik.pub"), machine.file("image"));
    let nonce = hex::encode(NONCE);
    let all = |key: &str, more: &[&str]| verify(&machine, &[&["--image", &image, "--key", key], more].concat());
    for (arguments, why) in [
        (
            &["--nonce", &nonce][..],
            "signature: is that of a TPM 1.2, which has only SHA-1: an attacker can make two images with the same digest (accept it with --sha1)",
        ),
        (&["--sha1"], "nonce: is needed: a TPM 1.2 signs it"),
        (&["--sha1", "--any-nonce"], "nonce: is needed"),
        (&["--sha1", "--nonce", "0011223344556677"], "nonce: has 8 bytes, but a TPM 1.2 signs 20"),
    ] {
        let Ran { code, out, err } = all(&blob, arguments);
        assert!(code == 4 && out.contains(why), "{out}{err}");
    }
    let known = ["--sha1", "--nonce", &nonce];
    let Ran { code, out, err } = all(&public, &known);
    assert!(code == 3 && out.contains("the key does not say that it belongs to a TPM"), "{out}{err}");
    let pem = machine.path("aik.pem");
    std::fs::write(&pem, pem_of(&machine.read("aik.pub"))).unwrap();
    for key in [&public, &machine.file("aik.pem")] {
        let run = all(key, &[&known[..], &["--key-is-trusted", "--json"]].concat());
        let report = run.json();
        assert_eq!((run.code, report["verdict"].as_str()), (0, Some("trusted")), "{key}: {}", run.out);
        assert_eq!((report["fresh"].as_bool(), report["key_is_tpm"].as_bool()), (Some(true), Some(false)));
        let evidence = &report["evidence"];
        assert!(evidence["scheme"] == "RSASSA with sha1" && evidence["clock"].is_null(), "{evidence}");
    }
}

/// The public key that `tpm_mkaik` wrote, in PEM.
fn pem_of(framed: &[u8]) -> String {
    // RSA's number stands at the end. SubjectPublicKeyInfo of 2048 bits and the exponent 65537 (RFC 8017, appendix A.1.1).
    let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let der = [&hex::decode(head).unwrap()[..], &framed[framed.len() - 256..], &[2, 3, 1, 0, 1]].concat();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("der");
    std::fs::write(&file, der).unwrap();
    common::run("openssl", &["pkey", "-pubin", "-inform", "DER", "-in", file.to_str().unwrap()]) + "\n"
}

#[test]
fn a_secret_opens_under_the_predicted_image_alone() {
    let mut machine = Machine::new();
    machine.write("image", &squashfs(b"image"));
    machine.write("secret", b"the key of the data");
    let boot = |machine: &mut Machine, image: &[u8]| {
        machine.boot();
        extend(machine, &[Measured::image(&squashfs(image))]);
    };
    let sealed = |machine: &Machine| {
        let run = machine.run("tpm_unsealdata", &["-z", "-i", "sealed", "-o", "opened"]);
        run.code == 0 && machine.read("opened") == b"the key of the data"
    };
    let stored = |machine: &Machine| {
        std::fs::remove_file(machine.path("read")).ok();
        let run = machine.run("tpm_nvread", &["--index=0x1500", "--filename=read"]);
        run.code == 0 && machine.read("read") == b"the key of the data"
    };
    // An area of NVRAM for the predicted value, before any machine has booted the image.
    let predicted = measureroot(&["predict", "--format", "tpm-nvdefine", &machine.file("image")]).printed();
    machine.write("predicted", predicted.as_bytes());
    machine.tool("tpm_nvdefine", &["--index=0xffffffff", "--size=0", "--permissions=OWNERWRITE"]);
    let area =
        ["--index=0x1500", "--size=19", "--permissions=OWNERWRITE", "--owner-well-known", "--filename=predicted"];
    machine.tool("tpm_nvdefine", &area);
    machine.tool("tpm_nvwrite", &["--index=0x1500", "--well-known", "--filename=secret"]);
    assert!(!stored(&machine), "no image has booted");
    boot(&mut machine, b"image");
    // tpm_sealdata takes the present value, which is the predicted one.
    machine.tool("tpm_sealdata", &["-z", "-p", "13", "-i", "secret", "-o", "sealed"]);
    assert!(sealed(&machine) && stored(&machine));
    boot(&mut machine, b"another image");
    assert!(!sealed(&machine) && !stored(&machine));
    boot(&mut machine, b"image");
    assert!(sealed(&machine) && stored(&machine));
    extend(&machine, &[Measured::image(&squashfs(b"another image"))]);
    assert!(!sealed(&machine) && !stored(&machine));
}

#[test]
fn a_recorded_log_with_sha1_alone_leads_to_the_quote_of_its_events() {
    let machine = Machine::new();
    machine.key();
    let bytes = std::fs::read(format!("{ROOT}/tests/eventlog/sha1-only.bin")).unwrap();
    let mut pcrs = BTreeSet::new();
    for event in eventlog::parse(&bytes).unwrap().events() {
        if let Some(pcr) = event.extends() {
            machine.extend(pcr.get().into(), event.digest(Bank::Sha1).unwrap().as_bytes());
            pcrs.insert(pcr.to_string());
        }
    }
    assert!(pcrs.len() > 2, "{pcrs:?}");
    machine.write("log", &bytes);
    machine.quote(&NONCE, &pcrs.iter().map(String::as_str).collect::<Vec<_>>());
    measureroot(&["replay", &machine.file("log"), "--pcrs", &machine.file("pcrs")]).printed();
    let (key, nonce, list) =
        (machine.file("aik.blob"), hex::encode(NONCE), format!("{ROOT}/tests/evidence/trusted.json"));
    let run = verify(&machine, &["--key", &key, "--nonce", &nonce, "--sha1", "--allow", &list]);
    assert!(run.code == 0 && run.out.starts_with("trusted: image\n"), "{run:?}");
}
