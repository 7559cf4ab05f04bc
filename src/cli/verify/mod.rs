//! `measureroot verify`: which image a machine booted, according to a quote of its TPM.

mod accepted;
mod basis;
mod evidence;
mod inputs;
mod report;
mod warnings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use time::OffsetDateTime;

use self::accepted::AcceptedGaps;
use self::inputs::{Files, Inputs};
use self::report::VerifyReport;
use super::image_file::ImageFile;
use super::input_file::Kinds;
use super::nonce::Nonce;
use super::stdout::{self, print};
use super::{allow_file, json, read_limited, tpm2_pcrread};
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::evidence::allow_list::AllowList;
use crate::evidence::quote::Quote;
use crate::evidence::signer_key::SignerKey;
use crate::evidence::trusted_image::TrustedImage;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::hash::tree_shape::TreeHash;
use crate::measure::image_digest;
use crate::measure::image_format::ImageFormat;
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::seal::prepared_root_hash::parse_hash;

/// The limit for a quote, a signature, a key or a file of PCR values in bytes: 16 KiB. The longest of the structures has a few
/// hundred bytes (TPM 2.0 Library, Part 2; TPM Main 1.2, Part 2).
const MAX_BYTES: u64 = 16 << 10;

/// Verify which image a machine booted, with a quote of its TPM and its event logs. Needs no TPM.
///
/// If the list says what must have started the agent (predict --uki, --kernel, --esp or --disk with --allow-entry), each quoted PCR is
/// compared with it, and the file that differs is named.
///
/// A machine is trusted only if the quote answers --nonce, the key says that it belongs to a TPM, and what started the agent is as the list
/// or --expect says. Who wants less says so: --any-nonce, --any-key,
/// --key-is-trusted, --image-only.
///
/// Of a TPM 1.2, give the file of tpm_getquote as --signature and that of tpm_getquote -p as --pcrs, the nonce, --sha1, and no --quote.
///
/// Exit codes: 0 the machine booted a trusted image; 3 it did not, or not all of it is proven; 4 the evidence is broken and proves nothing; 1 a file
/// cannot be read; 2 wrong arguments.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("signed").args(["evidence", "quote", "pcrs"]).required(true).multiple(true))]
pub(super) struct Verify {
    /// The evidence, written by measureroot attest. It has the quote, the signature, the key, the PCR values and the logs. Give --key, too:
    /// anybody can make the key in it.
    #[arg(value_name = "EVIDENCE", conflicts_with_all = ["quote", "signature", "pcrs", "logs"])]
    evidence: Option<PathBuf>,
    /// The quote, written by tpm2_quote --message. A TPM 1.2 has none: it follows from --pcrs and --nonce.
    #[arg(long, value_name = "FILE")]
    quote: Option<PathBuf>,
    /// The quote's signature, written by tpm2_quote --signature in either format, or by tpm_getquote.
    #[arg(long, value_name = "FILE", required_unless_present = "evidence")]
    signature: Option<PathBuf>,
    /// The key that signed the quote, written by tpm2_createak --public, or in PEM or DER with
    /// --key-is-trusted; of a TPM 1.2, the key blob of tpm_mkaik, or its public key with --key-is-trusted. Verify does not check that it is this
    /// machine's key: you must know. EVIDENCE has a key, which must be this one.
    #[arg(long, value_name = "FILE", required_unless_present = "evidence")]
    key: Option<PathBuf>,
    /// The nonce that measureroot attest or tpm2_quote --qualification was given, or the bytes of tpm_getquote's nonce file, in hex.
    #[arg(long, value_name = "HEX")]
    nonce: Option<Nonce>,
    /// The PCR values, printed by tpm2_pcrread, or written by tpm2_quote --pcr in either format or by tpm_getquote -p. They must be the quoted
    /// ones. With them, an error names the PCR that the logs do not lead to.
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
    /// The machine's event logs, in the order of the boot: /run/measureroot/binary_bios_measurements, or the firmware's log
    /// and /run/measureroot/eventlog.bin.
    #[arg(long = "log", value_name = "FILE", num_args = 1.., required_unless_present = "evidence")]
    logs: Vec<PathBuf>,
    /// A trusted image.
    #[arg(long = "image", value_name = "FILE", num_args = 1.., required_unless_present_any = ["allow", "root_hashes"])]
    images: Vec<PathBuf>,
    /// The root hash of a trusted image that was prepared with veritysetup, in hex.
    #[arg(long = "roothash", value_name = "HEX", num_args = 1.., value_parser = parse_hash)]
    root_hashes: Vec<TreeHash>,
    /// A list of trusted images, written by measureroot predict --allow-entry.
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// The public key, in PEM or DER, that must have signed the list of --allow (predict --format in-toto --sign). Without it, the list is not
    /// signed, and you must know that nobody changed it.
    #[arg(long, value_name = "PUB", requires = "allow")]
    signed_by: Option<PathBuf>,
    /// The values that other PCRs must have: --pcrs of a machine that you trust. The quote must have each of these PCRs, in
    /// a better bank than SHA-1.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// The machine boots the images from block devices, where only the bytes of their file systems are measured.
    #[arg(long, requires = "images")]
    device: bool,
    /// The PCR that the image is measured into (kernel parameter rootimgpcr=).
    #[arg(long, value_name = "N", default_value_t = PcrIndex::DEFAULT)]
    pcr: PcrIndex,
    /// Count the sha1 bank too. SHA-1 is broken: an attacker can make two images with the same digest.
    #[arg(long)]
    sha1: bool,
    #[command(flatten)]
    accepted: AcceptedGaps,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Judges the evidence and prints the verdict. An error means that a file cannot be read.
    pub(super) fn run(&self) -> Result<ExitCode> {
        stdout::check()?;
        if self.json {
            self.images.iter().try_for_each(|image| json::check_path(image))?;
        }
        let inputs = match &self.evidence {
            Some(path) => Inputs::of_evidence(path, self.key.as_deref())?,
            None => self.inputs()?,
        };
        let list = self.list()?;
        let (of_list, mut trusted) = (list.banks(), list.images);
        let expected = self.expect.as_deref().map(|path| self.expected(path)).transpose()?.unwrap_or_default();
        let (any_key, accepted) = (self.accepted.any_key(), self.accepted.into());
        let nonce = self.nonce.as_ref().map(|nonce| nonce.0.as_slice());
        let checked = inputs.check(nonce, self.pcr, self.sha1);
        let report = match checked {
            Ok(proof) => {
                // The list may revoke the image by an entry for other banks than the quoted ones.
                let banks = Bank::in_order(&[&proof.banks[..], &of_list].concat());
                // Hashing takes long, so it comes after the check of the evidence.
                for path in &self.images {
                    let image = ImageFile::open(path)?;
                    let digests = image.digests(image.measured_bytes_of_any(self.device)?, &banks)?;
                    for format in ImageFormat::ALL {
                        trusted.push(self.trusted(image.name.clone(), format.of(digests.clone())));
                    }
                }
                for hash in &self.root_hashes {
                    trusted.push(self.trusted(hex::encode(hash), image_digest::of_root_hash(hash, &banks)));
                }
                match proof.judge(&trusted, &expected, accepted, OffsetDateTime::now_utc()) {
                    Ok(judgement) => VerifyReport::of(&proof, judgement),
                    Err(broken) => VerifyReport::broken(&broken),
                }
            }
            Err(broken) => VerifyReport::broken(&broken),
        };
        let is_known = self.evidence.is_none() || self.key.is_some();
        let report = if is_known { report } else { report.with_key_of_machine(any_key) };
        for warning in &report.warnings {
            log::warn!("measureroot: {warning}");
        }
        print(if self.json { report.json()? } else { report.text() }.as_bytes())?;
        Ok(report.exit_code())
    }

    /// The inputs in files of their own.
    fn inputs(&self) -> Result<Inputs> {
        let read = |path: &PathBuf| read_limited::read(path, MAX_BYTES, Kinds::Stream);
        let quote = self.quote.as_ref().map(read).transpose()?;
        // The arguments without a file of evidence have both.
        let [signature, key] = [&self.signature, &self.key].map(|path| path.as_ref().map_or(Ok(Vec::new()), read));
        let (signature, key) = (signature?, key?);
        let values = self.pcrs.as_deref().map(|path| Self::values(path, quote.as_deref())).transpose()?;
        let log = |path: &PathBuf| {
            Ok((path.display().to_string(), read_limited::read(path, read_limited::LOG, Kinds::Stream)?))
        };
        let logs = self.logs.iter().map(log).collect::<Result<_>>()?;
        Ok(Inputs::Files(Box::new(Files { quote, signature, key, values, logs, whole: None })))
    }

    /// The list of trusted images, empty if none is given.
    ///
    /// # Errors
    /// If it cannot be read, or if the key of --signed-by did not sign it.
    fn list(&self) -> Result<AllowList> {
        let Some(path) = &self.allow else { return Ok(AllowList::default()) };
        let Some(signer) = &self.signed_by else { return allow_file::read(path, None) };
        let bytes = read_limited::read(signer, MAX_BYTES, Kinds::Stream)?;
        let key = SignerKey::parse(&bytes).map_err(|error| error.on(signer.display()))?;
        let list = allow_file::read(path, Some(&key))?;
        log::info!("{}: signed by the key in {} ({})", path.display(), signer.display(), key.name());
        Ok(list)
    }

    /// The values of the quoted PCRs, one after the other. A file in a binary form, and that of a TPM 1.2, stays as it is: the check of
    /// the evidence reads it.
    ///
    /// # Errors
    /// If the file cannot be read. The inner error is that of a file which is malformed, or lacks a quoted value: broken evidence.
    fn values(path: &Path, quote: Option<&[u8]>) -> Result<Result<Vec<u8>>> {
        let bytes = read_limited::read(path, MAX_BYTES, Kinds::Stream)?;
        // Of a malformed quote, nothing is selected, and its check fails.
        let quote = quote.and_then(|quote| Quote::parse(quote).ok());
        let (Some(text), Some(quote)) = (tpm2_pcrread::as_text(&bytes), quote) else { return Ok(Ok(bytes)) };
        let quoted = tpm2_pcrread::parse(text).and_then(|values| {
            let value = |(bank, pcr)| {
                let value = values.get(&bank).and_then(|values| values.get(&pcr));
                value.map(|digest| digest.as_bytes().to_vec()).ok_or_else(|| {
                    let cause = format!("there is no value for PCR {pcr}, {bank}, which is quoted");
                    Error::new("PCRs", cause).hint("the file of tpm2_quote --pcr has all of them")
                })
            };
            Ok(quote.selection.iter().map(value).collect::<Result<Vec<_>>>()?.concat())
        });
        Ok(quoted.map_err(|error| error.on(path.display())))
    }

    /// The values that other PCRs must have. Fails if a PCR has none that counts: with a value for SHA-1 alone, the verdict
    /// would trust what another machine can have, too.
    fn expected(&self, path: &Path) -> Result<PcrValues> {
        let values = tpm2_pcrread::read(path)?;
        let sha1 = values.get(&Bank::Sha1).into_iter().flat_map(|values| values.keys());
        let is_alone =
            |pcr: &&Pcr| !values.iter().any(|(bank, values)| *bank != Bank::Sha1 && values.contains_key(pcr));
        match sha1.copied().find(|pcr| is_alone(&pcr)) {
            Some(pcr) if !self.sha1 => Err(Error::new(
                path.display(),
                format!(
                    "has a value for PCR {pcr} in the sha1 bank alone: others can be made with the same SHA-1 digest"
                ),
            )
            .hint("read a better bank too, or accept the sha1 bank with --sha1")),
            _ => Ok(values),
        }
    }

    /// A trusted image that is the only one to extend the PCR.
    fn trusted(&self, name: String, digests: Digests) -> TrustedImage {
        let (before, others) = (Digests::new(), Digests::new());
        TrustedImage { name, pcr: self.pcr, digests, before, expiry: None, chain: None, others }
    }
}
