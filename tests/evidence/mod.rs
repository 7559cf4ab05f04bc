//! What a machine sends: logs as its boot writes them, quotes and keys that tpm2-tools make with a software TPM.
#![allow(dead_code)] // Each test uses a part of it.

use std::path::{Path, PathBuf};

use measureroot::eventlog::claim::Claim;
use measureroot::eventlog::header::Header;
use measureroot::eventlog::{EventType, tcg};
use measureroot::hash::bank::Bank;
use measureroot::hash::digest::{Digests, digests_of};
use measureroot::measure::image_format::ImageFormat;
use measureroot::measure::measurement;
use measureroot::measure::pcr::{Pcr, PcrIndex};
use measureroot::tpm::EsysPcrs;

use super::swtpm::Swtpm;

/// Something that a boot measures: into which PCR, what, and what the log has to say about it.
#[derive(Clone)]
pub struct Measured {
    pub pcr: u32,
    pub kind: EventType,
    pub digests: Digests,
    pub data: Vec<u8>,
}

impl Measured {
    /// An image, by the boot that is tested here.
    pub fn image(content: &[u8]) -> Self {
        Self::ours(content, &Claim::image("/dev/vda", content.len() as u64, "verity"))
    }

    /// The same in the format of meta-measured.
    pub fn meta_measured(content: &[u8]) -> Self {
        let format = ImageFormat::MetaMeasured;
        let claim = Claim { format: Some(format), ..Claim::image("/dev/vda", content.len() as u64, "verity") };
        let plain = Self::ours(content, &claim);
        Self { digests: format.of(plain.digests), ..plain }
    }

    pub fn failed() -> Self {
        Self::ours(b"measureroot: failed", &Claim::failed())
    }

    pub fn unmeasured() -> Self {
        Self::ours(b"measureroot: unmeasured", &Claim::unmeasured())
    }

    fn ours(content: &[u8], claim: &Claim) -> Self {
        let digests = digests_of(&Bank::ALL, content);
        Self { pcr: 13, kind: EventType::EVENT_TAG, digests, data: claim.tagged().unwrap() }
    }

    /// Something by the firmware or another program.
    pub fn other(pcr: u32, text: &str) -> Self {
        // EV_IPL, as boot loaders have it.
        Self { pcr, kind: EventType(0xD), digests: digests_of(&Bank::ALL, text.as_bytes()), data: text.into() }
    }

    /// The same in another PCR.
    pub fn into_pcr(self, pcr: u32) -> Self {
        Self { pcr, ..self }
    }
}

/// The log of a boot.
pub fn log(events: &[Measured]) -> Vec<u8> {
    let header = Header::of(Bank::ALL.into_iter());
    let event = |event: &Measured| {
        tcg::encode(&header, Pcr::try_from(event.pcr).unwrap(), event.kind, &event.digests, &event.data)
    };
    [header.encode(), events.iter().flat_map(event).collect()].concat()
}

/// A machine after its boot.
pub struct Machine {
    pub swtpm: Swtpm,
    folder: tempfile::TempDir,
}

impl Machine {
    /// One that measured all this.
    pub fn booted(events: &[Measured]) -> Self {
        let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
        let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
        for event in events {
            let pcr = PcrIndex::try_from(u8::try_from(event.pcr).unwrap()).unwrap();
            measurement::extend(&mut tpm, pcr, &event.digests).unwrap();
        }
        Self { swtpm, folder: tempfile::tempdir().unwrap() }
    }

    /// A file of the machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The bytes of a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs one of tpm2-tools and makes room for the next: there is no resource manager.
    pub fn tool(&self, name: &str, arguments: &[&str]) {
        self.swtpm.tool(name, arguments);
        self.swtpm.tool("tpm2_flushcontext", &["--transient-object"]);
    }

    /// Makes an attestation key of a kind such as `ecc256:ecdsa-sha256`: its context, and its public part in every form.
    pub fn key(&self, kind: &str) {
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
        self.key_with(kind, attributes);
    }

    /// The same with attributes.
    pub fn key_with(&self, kind: &str, attributes: &str) {
        let (kind, context) = (format!("{kind}:null"), self.file("ak.ctx"));
        self.tool("tpm2_createprimary", &["-Q", "-C", "e", "-G", &kind, "-a", attributes, "-c", &context]);
        for form in ["tss", "tpmt", "pem", "der"] {
            self.tool("tpm2_readpublic", &["-Q", "-c", &context, "-f", form, "-o", &self.file(&format!("ak.{form}"))]);
        }
    }

    /// Has the PCRs quoted, in a scheme such as `ecdsa-sha256`: the files `quote`, `pcrs`, `signature.tss`.
    pub fn quote(&self, pcrs: &str, nonce: &str, scheme: &str) {
        self.quote_as(pcrs, nonce, scheme, "tss");
    }

    /// The same with the signature in a format of tpm2_quote's.
    pub fn quote_as(&self, pcrs: &str, nonce: &str, scheme: &str, format: &str) {
        let (way, hash) = scheme.split_once('-').unwrap();
        let files =
            [self.file("ak.ctx"), self.file("quote"), self.file("pcrs"), self.file(&format!("signature.{format}"))];
        let [key, quote, values, signature] = files.each_ref().map(String::as_str);
        let mut line = vec!["-Q", "-c", key, "-l", pcrs, "-g", hash, "-f", format, "-m", quote, "-s", signature];
        line.extend(["-o", values, "--scheme", way]);
        if !nonce.is_empty() {
            line.extend(["-q", nonce]);
        }
        self.tool("tpm2_quote", &line);
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }
}

/// The folder of the programs.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_measureroot"))
}
