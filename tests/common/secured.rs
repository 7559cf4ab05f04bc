//! Machines with variables of Secure Boot, and programs that are signed for them.

use std::fs;
use std::path::Path;

use measureroot::internal::hash::{Bank, Digest};
use serde_json::Value;

use super::{Ran, measureroot, run, text};

/// Any program for UEFI will do as a kernel.
pub(crate) const PROGRAM: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
pub(crate) const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
/// The types of signature lists, and an owner.
pub(crate) const X509: &str = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
pub(crate) const SHA256: &str = "c1c41626-504c-4092-aca9-41f936934328";
pub(crate) const X509_SHA256: &str = "3bd2a492-96c0-4079-b420-fcf98ef103ed";
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
pub(crate) fn list(kind: &str, data: &[u8]) -> Vec<u8> {
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
pub(crate) struct Machine {
    pub(crate) secure_boot: Vec<u8>,
    pub(crate) db: Vec<u8>,
    pub(crate) dbx: Vec<u8>,
}

impl Machine {
    pub(crate) fn on(db: &[Vec<u8>]) -> Self {
        Self { secure_boot: vec![1], db: db.concat(), dbx: Vec::new() }
    }

    pub(crate) fn write(&self, folder: &Path) {
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
    pub(crate) fn pcr(&self, authorities: &[&[u8]]) -> Digest {
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
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name)).to_owned()
    }

    /// A certificate in DER, which signs itself or is signed by an issuer.
    pub(crate) fn certificate(&self, name: &str, issuer: Option<&str>) -> Vec<u8> {
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

    pub(crate) fn signed(&self, signer: &str, hash: &str) -> String {
        let [key, pem, program] = [".key", ".pem", ".efi"].map(|end| self.path(&format!("{signer}{end}")));
        let _ = fs::remove_file(&program);
        run("osslsigncode", &["sign", "-certs", &pem, "-key", &key, "-h", hash, "-in", PROGRAM, "-out", &program]);
        program
    }

    pub(crate) fn predict(&self, program: &str, machine: &Machine) -> Ran {
        machine.write(&self.0.path().join("efivars"));
        let efivars = self.path("efivars");
        measureroot(&["predict", "--json", "--bank", "sha256", "--kernel", program, "--efivars", &efivars])
    }

    pub(crate) fn pcrs(&self, program: &str, machine: &Machine) -> Value {
        self.predict(program, machine).json()["pcrs"].clone()
    }

    /// Why the program does not start, or why it is not known.
    pub(crate) fn why(&self, program: &str, machine: &Machine) -> String {
        self.pcrs(program, machine)["7"]["why"].as_str().expect("a reason").to_owned()
    }
}
