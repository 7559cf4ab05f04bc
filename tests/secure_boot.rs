//! `predict` with `--efivars` and `--like`: PCR 7 with Secure Boot. osslsigncode and sbsign sign, as the firmware's owner does; sbverify
//! judges, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::process::Command;

use common::secured::{Folder, GLOBAL, Machine, PROGRAM, SHA256, X509, X509_SHA256, list};
use common::{measureroot, run};
use measureroot::internal::chain::{PeFile, authenticode};
use measureroot::internal::hash::Bank;
use serde_json::Value;

fn value(pcrs: &Value) -> String {
    pcrs["7"]["values"][0]["pcr"]["sha256"].as_str().unwrap_or_else(|| panic!("{}", pcrs["7"])).to_owned()
}

#[test]
fn the_certificate_that_vouches_for_the_signature_is_measured() {
    let folder = Folder::new();
    let (other, root) = (folder.certificate("other", None), folder.certificate("root", None));
    let (leaf, lone) = (folder.certificate("leaf", Some("root")), folder.certificate("lone", None));
    for hash in ["sha256", "sha384", "sha512"] {
        let program = folder.signed("lone", hash);
        let machine = Machine::on(&[list(X509, &other), list(X509, &lone)]);
        assert_eq!(value(&folder.pcrs(&program, &machine)), machine.pcr(&[&lone]).to_string(), "{hash}");
    }
    // The root is not in the signature. The first certificate of the chain in db counts.
    let program = folder.signed("leaf", "sha256");
    for (db, by) in
        [([&root, &other], &root), ([&other, &leaf], &leaf), ([&root, &leaf], &root), ([&leaf, &root], &leaf)]
    {
        let machine = Machine::on(&db.map(|certificate| list(X509, certificate)));
        assert_eq!(value(&folder.pcrs(&program, &machine)), machine.pcr(&[by]).to_string());
    }
    let machine = Machine::on(&[list(X509, &other)]);
    let pcrs = folder.pcrs(&program, &machine);
    for pcr in ["4", "7", "9"] {
        let why = pcrs[pcr]["why"].as_str().unwrap();
        assert!(
            why.starts_with("Secure Boot is on, and the firmware does not start leaf.efi: no certificate"),
            "{why}"
        );
    }
    // With Secure Boot off, nobody is asked. Without the variable, it is off.
    for secure_boot in [vec![0], vec![]] {
        let machine = Machine { secure_boot, ..Machine::on(&[list(X509, &other)]) };
        assert_eq!(value(&folder.pcrs(&program, &machine)), machine.pcr(&[]).to_string());
    }
}

#[test]
fn a_digest_of_the_program_counts_with_and_without_a_signature() {
    let folder = Folder::new();
    let lone = folder.certificate("lone", None);
    let signed = folder.signed("lone", "sha256");
    for program in [PROGRAM, &signed] {
        let bytes = fs::read(program).unwrap();
        let digests = authenticode::digests(&PeFile::parse(&bytes).unwrap(), &[Bank::Sha256]).unwrap();
        let digest = digests[&Bank::Sha256].as_bytes();
        let machine = Machine::on(&[list(SHA256, &[1; 32]), list(SHA256, digest)]);
        assert_eq!(value(&folder.pcrs(program, &machine)), machine.pcr(&[digest]).to_string(), "{program}");
        let forbidden =
            Machine { dbx: list(SHA256, digest), ..Machine::on(&[list(SHA256, digest), list(X509, &lone)]) };
        assert!(folder.why(program, &forbidden).ends_with("dbx has its sha256 digest"), "{program}");
    }
    assert!(
        folder
            .why(PROGRAM, &Machine::on(&[list(X509, &lone)]))
            .ends_with("it has no signature, and db has no digest of it")
    );
    let forbidden = Machine { dbx: list(X509, &lone), ..Machine::on(&[list(X509, &lone)]) };
    assert!(folder.why(&signed, &forbidden).ends_with("dbx forbids the certificate of its signature"));
}

#[test]
fn what_was_changed_after_it_was_signed_is_not_allowed() {
    let folder = Folder::new();
    let lone = folder.certificate("lone", None);
    let machine = Machine::on(&[list(X509, &lone)]);
    let good = fs::read(folder.signed("lone", "sha256")).unwrap();
    let end = good.len() - 8;
    // The program, the certificate table with its end, and the signature itself.
    for (at, part) in
        [(0x300, "its signature does not fit the file, which was changed"), (end - 64, "no certificate in db vouches")]
    {
        let mut wrong = good.clone();
        wrong[at] ^= 1;
        let path = folder.path("wrong.efi");
        fs::write(&path, &wrong).unwrap();
        let why = folder.why(&path, &machine);
        assert!(why.contains(part), "{at}: {why}");
        // Also if nothing is known of the machine.
        let ran = measureroot(&["predict", "--kernel", &path]);
        let warns = ran.err.contains("wrong.efi: its signature does not fit the file: it was changed after");
        assert!(ran.code == 0 && warns == (at == 0x300), "{at}: {}", ran.err);
    }
}

#[test]
fn sbverify_accepts_the_same_programs() {
    let folder = Folder::new();
    let lone = folder.certificate("lone", None);
    let other = folder.certificate("other", None);
    let by_osslsigncode = folder.path("a.efi");
    fs::copy(folder.signed("lone", "sha256"), &by_osslsigncode).unwrap();
    let (key, pem, by_sbsign) = (folder.path("lone.key"), folder.path("lone.pem"), folder.path("b.efi"));
    run("sbsign", &["--key", &key, "--cert", &pem, "--output", &by_sbsign, PROGRAM]);
    // sbsign also adds a second signature.
    let (key, pem, twice) = (folder.path("other.key"), folder.path("other.pem"), folder.path("twice.efi"));
    run("sbsign", &["--key", &key, "--cert", &pem, "--output", &twice, &by_sbsign]);
    let changed = folder.path("changed.efi");
    let mut bytes = fs::read(&by_sbsign).unwrap();
    bytes[0x300] ^= 1;
    fs::write(&changed, bytes).unwrap();
    for (program, by_lone, by_other) in [
        (by_osslsigncode.as_str(), true, false),
        (&by_sbsign, true, false),
        (&twice, true, true),
        (&changed, false, false),
        (PROGRAM, false, false),
    ] {
        for (name, certificate, is_accepted) in [("lone", &lone, by_lone), ("other", &other, by_other)] {
            let machine = Machine::on(&[list(X509, certificate)]);
            let pcr = &folder.pcrs(program, &machine)["7"];
            let pem = folder.path(&format!("{name}.pem"));
            let judged = Command::new("sbverify").args(["--cert", &pem, program]).output().unwrap().status.success();
            let follows = pcr["values"].is_array();
            assert_eq!((judged, follows), (is_accepted, is_accepted), "{program}, {name}: {pcr}");
        }
    }
}

#[test]
fn what_is_no_folder_of_variables_is_an_error_and_what_is_not_judged_has_a_reason() {
    let folder = Folder::new();
    let lone = folder.certificate("lone", None);
    let program = folder.signed("lone", "sha256");
    let error = |machine: &Machine, part: &str| {
        let ran = folder.predict(&program, machine);
        assert!(ran.code == 1 && ran.err.contains(part), "{}", ran.err);
    };
    error(
        &Machine { secure_boot: vec![2], ..Machine::on(&[]) },
        "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c: is neither on nor off",
    );
    let empty = folder.path("empty");
    fs::create_dir(&empty).unwrap();
    let ran = measureroot(&["predict", "--kernel", &program, "--efivars", &empty]);
    assert!(ran.code == 1 && ran.err.contains("has no file whose name ends with"), "{}", ran.err);
    fs::write(folder.0.path().join("empty").join(format!("PK-{GLOBAL}")), "abc").unwrap();
    let ran = measureroot(&["predict", "--kernel", &program, "--efivars", &empty]);
    assert!(ran.code == 1 && ran.err.contains("it has no attributes"), "{}", ran.err);
    let good = list(X509, &lone);
    for (machine, part) in [
        (Machine::on(&[good[..good.len() - 1].to_vec()]), "db: signature list"),
        (Machine::on(&[list(X509, b"none"), good.clone()]), "db or dbx: certificate"),
        (Machine { dbx: vec![1, 2], ..Machine::on(std::slice::from_ref(&good)) }, "dbx: signature list"),
    ] {
        assert!(folder.why(&program, &machine).contains(part), "{}", folder.why(&program, &machine));
    }
    // dbx has the digest of what the issuer signed, and the time of the revocation.
    let parsed = run(
        "sh",
        &[
            "-c",
            &format!(
                "openssl asn1parse -inform der -in {} -strparse 4 -noout -out {} && sha256sum {}",
                folder.path("lone.der"),
                folder.path("tbs"),
                folder.path("tbs")
            ),
        ],
    );
    let digest = parsed.split(' ').next().unwrap();
    let digest: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
    let machine = Machine { dbx: list(X509_SHA256, &[&digest[..], &[0; 16]].concat()), ..Machine::on(&[good]) };
    assert!(folder.why(&program, &machine).ends_with("dbx has the digest of a certificate of its signature"));
}

#[test]
fn the_variables_of_a_log_are_replaced_by_newer_ones() {
    let folder = Folder::new();
    let log = "tests/eventlog/ovmf.bin";
    Machine { secure_boot: vec![0], ..Machine::on(&[]) }.write(&folder.0.path().join("efivars"));
    let efivars = folder.path("efivars");
    let ran = measureroot(&[
        "predict",
        "--json",
        "--bank",
        "sha256",
        "--kernel",
        PROGRAM,
        "--like",
        log,
        "--efivars",
        &efivars,
    ]);
    // QEMU's option -kernel starts no program of a medium.
    assert!(ran.json()["pcrs"]["7"]["why"].as_str().unwrap().contains("no program that the firmware starts"));
    assert!(ran.json()["pcrs"]["0"]["values"][0].is_object());
}
