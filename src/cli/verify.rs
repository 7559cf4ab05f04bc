//! `measureroot verify`: which image a machine has booted, from what its TPM signed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use time::OffsetDateTime;

use super::verify_report::Opinion;
use super::{allow, pcrs, predict, print, read_limited};
use crate::error::{Context, Error, Result};
use crate::evidence::allow::Entry;
use crate::evidence::proof::Given;
use crate::hash::digest::Digests;
use crate::hash::merkle::Hash;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement;
use crate::measure::pcr::PcrIndex;
use crate::seal::prepared_root_hash::parse_hash;

/// No quote, signature or key is longer than this, in bytes (TPM 2.0 Library, Part 2: the longest has a few hundred).
const MAX: u64 = 16 << 10;

/// Say which image a machine has booted, from a quote of its TPM and its logs. Needs no TPM.
///
/// Exit codes: 0 a trusted image was booted, 3 it was not, 4 the evidence is broken: it proves nothing, 1 something could not
/// be read, 2 wrong arguments.
#[derive(Debug, Args)]
pub struct Verify {
    /// The quote: what tpm2_quote --message wrote.
    #[arg(long, value_name = "FILE")]
    quote: PathBuf,
    /// Its signature: what tpm2_quote --signature wrote, in either format.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The key that signed it, and is known to be this machine's: what tpm2_createak --public wrote, or PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// What tpm2_quote --qualification was given, in hex; without it the quote may be an old one.
    #[arg(long, value_name = "HEX", value_parser = nonce)]
    nonce: Option<Nonce>,
    /// What tpm2_quote --pcr wrote, in either format: lets me name the PCR that a log does not lead to.
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
    /// The machine's logs, in the order of the boot: /run/measureroot/eventlog.bin, or the firmware's and that.
    #[arg(long = "log", value_name = "FILE", num_args = 1.., required = true)]
    logs: Vec<PathBuf>,
    /// An image that is trusted.
    #[arg(long = "image", value_name = "FILE", num_args = 1.., required_unless_present_any = ["allow", "root_hashes"])]
    images: Vec<PathBuf>,
    /// The root hash of a trusted image that was prepared with veritysetup.
    #[arg(long = "roothash", value_name = "HEX", num_args = 1.., value_parser = parse_hash)]
    root_hashes: Vec<Hash>,
    /// A list of trusted images, as measureroot predict --allow-entry makes it.
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// What the other PCRs must be, which must be quoted, too: as tpm2_pcrread printed them on a machine that is known.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Of each image, measure only as far as its file system goes, as when it was written to a larger partition.
    #[arg(long, requires = "images")]
    device: bool,
    /// The PCR, as in rootimgpcr=.
    #[arg(long, value_name = "N", default_value_t = PcrIndex::DEFAULT)]
    pcr: PcrIndex,
    /// Let the sha1 bank count, too: a second image can be found for its digests.
    #[arg(long)]
    sha1: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was asked with.
#[derive(Debug, Clone)]
struct Nonce(Vec<u8>);

fn nonce(text: &str) -> Result<Nonce> {
    match hex::decode(text).about(text)? {
        empty if empty.is_empty() => Err(Error::new("nonce", "empty")),
        bytes => Ok(Nonce(bytes)),
    }
}

impl Verify {
    /// Judges the evidence and prints what comes of it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn run(&self) -> Result<ExitCode> {
        let read = |path: &Path| read_limited::read(path, MAX);
        let (quote, signature, key) = (read(&self.quote)?, read(&self.signature)?, read(&self.key)?);
        let values = self.pcrs.as_deref().map(read).transpose()?;
        let log = |path: &PathBuf| Ok((path.display().to_string(), read_limited::read(path, read_limited::LOG)?));
        let logs = self.logs.iter().map(log).collect::<Result<Vec<_>>>()?;
        let mut trusted = self.allow.as_deref().map(allow::read).transpose()?.unwrap_or_default().entries;
        let expected = self.expect.as_deref().map(pcrs::read).transpose()?.unwrap_or_default();
        let nonce = self.nonce.as_ref().map(|nonce| nonce.0.as_slice());
        let (pcr, sha1, values) = (self.pcr, self.sha1, values.as_deref());
        let given = Given { quote: &quote, signature: &signature, key: &key, nonce, values, logs: &logs, pcr, sha1 };
        let opinion = match given.check() {
            Ok(proof) => {
                // Only now: an image takes its time.
                for image in &self.images {
                    let (_, digests) = predict::image(image, self.device, ImageFormat::Plain, &proof.banks)?;
                    for format in ImageFormat::ALL {
                        trusted.push(self.entry(image.display().to_string(), format.of(digests.clone())));
                    }
                }
                for hash in &self.root_hashes {
                    trusted.push(self.entry(hex::encode(hash), measurement::root_hash(hash, &proof.banks)));
                }
                match proof.judge(&trusted, &expected, OffsetDateTime::now_utc()) {
                    Ok(verdict) => Opinion::of(&proof, &verdict, &expected),
                    Err(broken) => Opinion::broken(&broken),
                }
            }
            Err(broken) => Opinion::broken(&broken),
        };
        for warning in &opinion.warnings {
            log::warn!("measureroot: {warning}");
        }
        print(if self.json { opinion.json()? } else { opinion.text() }.as_bytes())?;
        Ok(opinion.exit_code())
    }

    /// What extends the PCR with these digests alone.
    fn entry(&self, name: String, digests: Digests) -> Entry {
        Entry { name, pcr: self.pcr, digests, before: Digests::new(), until: None }
    }
}
