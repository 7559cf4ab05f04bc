//! The evidence of a machine: logs as its boot writes them, and quotes and keys that tpm2-tools make with a software TPM.
#![allow(dead_code)] // Each test uses a part of it.

pub(crate) mod attesting;

use std::path::PathBuf;

use measureroot::internal::eventlog::{Claim, EventType, Header, tcg};
use measureroot::internal::hash::{Bank, Digests, digests_of};
use measureroot::internal::measure::{ImageFormat, Pcr, PcrIndex, measurement};
use measureroot::internal::tpm::EsysPcrs;

use super::common::{Ran, measureroot};
use super::swtpm::Swtpm;

/// The nonce of the quotes, in hex.
pub(crate) const NONCE: &str = "00c0ffee00c0ffee";

/// An event of a boot.
#[derive(Clone)]
pub(crate) struct Measured {
    pub pcr: u32,
    pub kind: EventType,
    pub digests: Digests,
    pub data: Vec<u8>,
}

impl Measured {
    /// measureroot measures an image.
    pub(crate) fn image(content: &[u8]) -> Self {
        Self::ours(content, &Claim::image("/dev/vda", content.len() as u64, "verity"))
    }

    /// measureroot measures an image in the format of meta-measured.
    pub(crate) fn meta_measured(content: &[u8]) -> Self {
        let format = ImageFormat::MetaMeasured;
        let claim = Claim { format: Some(format), ..Claim::image("/dev/vda", content.len() as u64, "verity") };
        let plain = Self::ours(content, &claim);
        Self { digests: format.of(plain.digests), ..plain }
    }

    pub(crate) fn failed() -> Self {
        Self::ours(b"measureroot: failed", &Claim::failed())
    }

    pub(crate) fn unmeasured() -> Self {
        Self::ours(b"measureroot: unmeasured", &Claim::unmeasured())
    }

    fn ours(content: &[u8], claim: &Claim) -> Self {
        let digests = digests_of(&Bank::ALL, content);
        Self { pcr: 13, kind: EventType::EVENT_TAG, digests, data: claim.tagged().unwrap() }
    }

    /// The firmware or another program measures something.
    pub(crate) fn other(pcr: u32, text: &str) -> Self {
        // EV_IPL, like boot loaders.
        Self { pcr, kind: EventType(0xD), digests: digests_of(&Bank::ALL, text.as_bytes()), data: text.into() }
    }

    /// The same event in another PCR.
    pub(crate) fn into_pcr(self, pcr: u32) -> Self {
        Self { pcr, ..self }
    }
}

/// The log of a boot.
pub(crate) fn log(events: &[Measured]) -> Vec<u8> {
    let header = Header::of(Bank::ALL.into_iter());
    let event = |event: &Measured| {
        tcg::encode(&header, Pcr::try_from(event.pcr).unwrap(), event.kind, &event.digests, &event.data)
    };
    [header.encode(), events.iter().flat_map(event).collect()].concat()
}

/// A machine after its boot.
pub(crate) struct Machine {
    pub swtpm: Swtpm,
    folder: tempfile::TempDir,
}

impl Machine {
    /// A machine that measured these events.
    pub(crate) fn booted(events: &[Measured]) -> Self {
        Self::booted_with("sha1,sha256,sha384,sha512", events)
    }

    /// The same, with a TPM that has these active banks.
    pub(crate) fn booted_with(banks: &str, events: &[Measured]) -> Self {
        let swtpm = Swtpm::start(banks);
        let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
        for event in events {
            let pcr = PcrIndex::try_from(u8::try_from(event.pcr).unwrap()).unwrap();
            let has = |bank: &Bank| banks.split(',').any(|name| name == bank.name());
            let digests = event.digests.clone().into_iter().filter(|(bank, _)| has(bank)).collect();
            measurement::extend(&mut tpm, pcr, &digests).unwrap();
        }
        Self { swtpm, folder: tempfile::tempdir().unwrap() }
    }

    /// A machine that measured these events. Its files are an image with the content `image`, the log, a key, and a quote of
    /// these PCRs.
    pub(crate) fn quoted(events: &[Measured], pcrs: &str) -> Self {
        let machine = Self::booted(events);
        machine.write("image", b"image");
        machine.write("log", &log(events));
        machine.key("ecc256:ecdsa-sha256");
        machine.quote(pcrs, NONCE, "ecdsa-sha256");
        machine
    }

    /// Runs `measureroot verify` with the machine's quote and log.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Ran {
        let (quote, log) = (self.file("quote"), self.file("log"));
        measureroot(&[&["verify", "--quote", &quote, "--log", &log], arguments].concat())
    }

    /// Runs `measureroot verify` with the machine's quote, log, key and signature, and with the nonce. Only the image counts.
    pub(crate) fn judge(&self, arguments: &[&str]) -> Ran {
        self.judge_all(&[&["--image-only"], arguments].concat())
    }

    /// The same. What started the agent counts, too.
    pub(crate) fn judge_all(&self, arguments: &[&str]) -> Ran {
        let (key, signature) = (self.file("ak.tss"), self.file("signature.tss"));
        self.verify(&[&["--key", &key, "--signature", &signature, "--nonce", NONCE], arguments].concat())
    }

    /// The path of a file of the machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same path as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs one of tpm2-tools, and then flushes the TPM's objects: there is no resource manager.
    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) {
        self.swtpm.tool(name, arguments);
        self.swtpm.tool("tpm2_flushcontext", &["--transient-object"]);
    }

    /// Makes an attestation key of a kind such as `ecc256:ecdsa-sha256`. Its context and its public part, in every form, become
    /// files.
    pub(crate) fn key(&self, kind: &str) {
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
        self.key_with(kind, attributes);
    }

    /// Makes an attestation key with these attributes.
    pub(crate) fn key_with(&self, kind: &str, attributes: &str) {
        let (kind, context) = (format!("{kind}:null"), self.file("ak.ctx"));
        self.tool("tpm2_createprimary", &["-Q", "-C", "e", "-G", &kind, "-a", attributes, "-c", &context]);
        for form in ["tss", "tpmt", "pem", "der"] {
            self.tool("tpm2_readpublic", &["-Q", "-c", &context, "-f", form, "-o", &self.file(&format!("ak.{form}"))]);
        }
    }

    /// Makes a quote of PCRs with a scheme such as `ecdsa-sha256`: the files `quote`, `pcrs` and `signature.tss`.
    pub(crate) fn quote(&self, pcrs: &str, nonce: &str, scheme: &str) {
        self.quote_as(pcrs, nonce, scheme, "tss");
    }

    /// Makes a quote with the signature in one of tpm2_quote's formats.
    pub(crate) fn quote_as(&self, pcrs: &str, nonce: &str, scheme: &str, format: &str) {
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
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }
}
