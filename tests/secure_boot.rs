//! `predict` with `--efivars` and `--like`: PCR 7 with Secure Boot. osslsigncode signs, as the firmware's owner does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{Ran, measureroot, run, text};
use measureroot::internal::chain::{PeFile, authenticode};
use measureroot::internal::hash::{Bank, Digest};
use serde_json::Value;

/// Any program for UEFI will do as a kernel.
const PROGRAM: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
/// The types of signature lists, and an owner.
const X509: &str = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
const SHA256: &str = "c1c41626-504c-4092-aca9-41f936934328";
const X509_SHA256: &str = "3bd2a492-96c0-4079-b420-fcf98ef103ed";
const OWNER: [u8; 16] = [7; 16];

/// A GUID in its bytes (UEFI 2.10, appendix A).
fn guid(text: &str) -> Vec<u8> {
    let hex = text.replace('-', "");
    let mut bytes: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// A signature list with one entry.
fn list(kind: &str, data: &[u8]) -> Vec<u8> {
    let size = 16 + data.len();
    let numbers = [28 + size, 0, size].map(|number| u32::try_from(number).unwrap().to_le_bytes()).concat();
    [&guid(kind)[..], &numbers, &OWNER, data].concat()
}

/// What firmware measures of a variable.
fn measured(vendor: &str, name: &str, value: &[u8]) -> Vec<u8> {
    let name: Vec<u16> = name.encode_utf16().collect();
    let lengths = [name.len(), value.len()].map(|length| u64::try_from(length).unwrap().to_le_bytes()).concat();
    let name: Vec<u8> = name.into_iter().flat_map(u16::to_le_bytes).collect();
    [&guid(vendor)[..], &lengths, &name, value].concat()
}

/// A machine with these variables.
struct Machine {
    secure_boot: Vec<u8>,
    db: Vec<u8>,
    dbx: Vec<u8>,
}

impl Machine {
    fn on(db: &[Vec<u8>]) -> Self {
        Self { secure_boot: vec![1], db: db.concat(), dbx: Vec::new() }
    }

    fn write(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        for (name, vendor, value) in [
            ("SecureBoot", GLOBAL, &self.secure_boot),
            ("PK", GLOBAL, &b"a platform key".to_vec()),
            ("db", SECURITY, &self.db),
            ("dbx", SECURITY, &self.dbx),
        ] {
            fs::write(folder.join(format!("{name}-{vendor}")), [&[7, 0, 0, 0], &value[..]].concat()).unwrap();
        }
    }

    /// PCR 7 after the variables, the separator, and these entries of db.
    fn pcr(&self, authorities: &[&[u8]]) -> Digest {
        let mut events = vec![
            measured(GLOBAL, "SecureBoot", &self.secure_boot),
            measured(GLOBAL, "PK", b"a platform key"),
            measured(GLOBAL, "KEK", b""),
            measured(SECURITY, "db", &self.db),
            measured(SECURITY, "dbx", &self.dbx),
            vec![0; 4],
        ];
        let authority = |data: &&[u8]| measured(SECURITY, "db", &[&OWNER, *data].concat());
        events.extend(authorities.iter().map(authority));
        let zero = Digest::zero(Bank::Sha256);
        events.iter().fold(zero, |value, event| value.extended(Bank::Sha256, &Bank::Sha256.digest(event)))
    }
}

/// A folder with keys, certificates and programs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name)).to_owned()
    }

    /// A certificate in DER, which signs itself or is signed by an issuer.
    fn certificate(&self, name: &str, issuer: Option<&str>) -> Vec<u8> {
        let [key, pem, der] = ["key", "pem", "der"].map(|end| self.path(&format!("{name}.{end}")));
        let subject = format!("/CN={name}");
        let mut arguments = vec!["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", &subject];
        arguments.extend(["-keyout", &key, "-out", &pem]);
        let issuer = issuer.map(|issuer| ["pem", "key"].map(|end| self.path(&format!("{issuer}.{end}"))));
        if let Some([certificate, key]) = &issuer {
            arguments.extend(["-CA", certificate, "-CAkey", key]);
        }
        run("openssl", &arguments);
        run("openssl", &["x509", "-in", &pem, "-outform", "der", "-out", &der]);
        fs::read(der).unwrap()
    }

    fn signed(&self, signer: &str, hash: &str) -> String {
        let [key, pem, program] = [".key", ".pem", ".efi"].map(|end| self.path(&format!("{signer}{end}")));
        let _ = fs::remove_file(&program);
        run("osslsigncode", &["sign", "-certs", &pem, "-key", &key, "-h", hash, "-in", PROGRAM, "-out", &program]);
        program
    }

    fn predict(&self, program: &str, machine: &Machine) -> Ran {
        machine.write(&self.0.path().join("efivars"));
        let efivars = self.path("efivars");
        measureroot(&["predict", "--json", "--bank", "sha256", "--kernel", program, "--efivars", &efivars])
    }

    fn pcrs(&self, program: &str, machine: &Machine) -> Value {
        self.predict(program, machine).json()["pcrs"].clone()
    }

    /// Why the program does not start, or why it is not known.
    fn why(&self, program: &str, machine: &Machine) -> String {
        self.pcrs(program, machine)["7"]["why"].as_str().expect("a reason").to_owned()
    }
}

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
