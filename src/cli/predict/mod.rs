//! `measureroot predict`: the PCR after the boot of an image.

mod allow_entry;
mod boot;
mod boot_report;
mod chain;
mod chain_report;
mod chain_text;
mod corim;
mod disk;
mod disk_roots;
mod folder;
mod format;
mod machine;
mod prediction;
mod program_file;
mod root;
mod rtmr_prediction;
mod rvps;
mod signing;
mod start;
mod starting_values;
mod subject;
mod tboot;
mod token_key;
mod verity_check;
mod with_chain;

use std::path::{Path, PathBuf};

use clap::Args;

use self::allow_entry::AllowEntry;
use self::chain::Chain;
use self::disk::DiskFile;
use self::disk_roots::DiskRoots;
use self::format::Format;
use self::machine::Machine;
use self::prediction::Prediction;
use self::signing::Signing;
use self::starting_values::starting_values;
use self::subject::Subject;
use self::verity_check::VerityCheck;
use super::image_file::ImageFile;
use super::json;
use super::stdout::{self, print};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::hash::tree_shape::TreeHash;
use crate::measure::image_digest;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement::{self};
use crate::measure::pcr::PcrIndex;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::rtmr_choice::RtmrChoice;
use crate::measure::soft_pcrs::SoftPcrs;
use crate::seal::prepared_root_hash::{parse_hash, parse_offset};

/// Predict the PCR of a machine that boots an image, or the PCRs of what starts the agent.
///
/// Prints the PCR of each bank in the format of tpm2_pcrread, to be compared with its output, and the image's digests on
/// standard error. --format selects another format, for another program. The code that measures at boot computes the values.
///
/// With --uki, --kernel, --esp or --disk, prints what is measured before the agent: for each PCR its values, the events that lead to them, and
/// the file or section that each event comes from; or why the PCR does not follow from the files. With an image beside it, the
/// PCR of the image is among them, and --allow-entry adds both to the list. With --disk, the image is the one that the command
/// line names on that disk, if none is given. With --like, the firmware's own PCRs come from the
/// log of a machine of the same kind; with --efivars, PCR 7 comes from the variables of Secure Boot.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// The image: a file, or a block device that has it.
    #[arg(required_unless_present_any = ["roothash", "verity", "start"], group = "subject")]
    image: Option<PathBuf>,
    /// The root hash of an image that was prepared with veritysetup (kernel parameter roothash=).
    #[arg(long, value_name = "HEX", value_parser = parse_hash, group = "subject")]
    roothash: Option<TreeHash>,
    /// An image that was prepared with veritysetup, and the file or device with its Merkle tree; checks every block.
    #[arg(long, num_args = 2, value_names = ["IMAGE", "HASHDEV"], group = "subject")]
    verity: Vec<PathBuf>,
    /// The offset of the tree's superblock on HASHDEV, in bytes (kernel parameter measureroot.hashoffset=) [default: 0].
    // clap ignores `requires` if a conflict excludes what is required, so the conflicts are here, too.
    #[arg(long, value_name = "BYTES", value_parser = parse_offset, requires = "verity", conflicts_with_all = ["image", "roothash"])]
    hash_offset: Option<u64>,
    #[command(flatten)]
    chain: Chain,
    #[command(flatten)]
    machine: Machine,
    /// The PCR that the image is measured into (kernel parameter rootimgpcr=).
    #[arg(long, value_name = "N", default_value_t = PcrIndex::DEFAULT, requires = "subject")]
    pcr: PcrIndex,
    /// Predict the RTMR of a confidential machine (a TDX guest) instead of a PCR: 2, or N (kernel parameter measureroot.rtmr=). It
    /// starts with the value of --before: firmware, boot loader and kernel extend it first.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "2", value_parser = parse_rtmr,
        requires = "subject", conflicts_with_all = ["pcr", "banks", "start", "list", "name", "until"])]
    rtmr: Option<RtmrIndex>,
    /// A bank to predict: sha1, sha256, sha384 or sha512; may be given more than once [default: all; fewer with --format
    /// keylime, rvps, corim or policy, and those for a TPM 1.2].
    #[arg(long = "bank", value_name = "BANK")]
    banks: Vec<Bank>,
    /// The PCR's value before the boot, in hex; its length determines the bank; may be given more than once [default: zeros].
    #[arg(long, value_name = "HEX", conflicts_with = "start")]
    before: Vec<String>,
    /// Predict for the image on a block device, where only the bytes of its file system are measured.
    // clap ignores `requires` if a conflict excludes what is required, so the conflicts are here, too.
    #[arg(long, requires = "image", conflicts_with_all = ["roothash", "verity"])]
    device: bool,
    /// What the PCR is extended with: plain or meta-measured (kernel parameter measureroot.format=).
    #[arg(long, value_name = "NAME", default_value_t, requires = "image", conflicts_with_all = ["roothash", "verity"])]
    image_format: ImageFormat,
    /// The output format [default: tpm2-yaml; with --uki, --kernel, --esp or --disk, text for a person; these have json, keylime, rvps and in-toto, too].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    signing: Signing,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    allow: AllowEntry,
}

impl Predict {
    /// Checks what clap cannot: arguments that depend on each other's values.
    ///
    /// # Errors
    /// If they are wrong, whatever the files hold.
    pub(super) fn check_arguments(&self) -> Result<()> {
        let format = self.format();
        self.signing.check(format)?;
        if self.machine.leaves_out(self.pcr.into()) {
            return Err(Error::new("--leave-out", format_args!("PCR {} is that of the root image", self.pcr)));
        }
        if self.chain.is_given() {
            self.chain.check(&self.banks(format))?;
            let has_image = self.image.is_some() || self.roothash.is_some() || !self.verity.is_empty();
            // Each boot of a disk names its image.
            if self.allow.is_given() && !has_image && self.chain.disk().is_none() {
                return Err(Error::new(
                    "--allow-entry",
                    "an entry of the list is about a root image, which is not named",
                )
                .hint("name it beside --uki, --kernel or --esp"));
            }
            if format == Some(Format::InToto) && !self.allow.is_given() {
                return Err(Error::new("--format", "in-toto is the list of trusted images, and none is named")
                    .hint("--allow-entry FILE names it; the file need not exist"));
            }
            return chain_report::check_format(format);
        }
        rtmr_prediction::check_format(self.rtmr, format)?;
        let format = format.unwrap_or(Format::Tpm2Yaml);
        format.check(&self.banks(Some(format)))?;
        starting_values(&self.banks(Some(format)), &self.before).map(drop)
    }

    /// Computes the values and prints them.
    pub(super) fn run(self) -> Result<()> {
        let format = self.format();
        // Hashing takes long, so all that can fail without it fails before.
        stdout::check()?;
        if let (Some(Format::Json), Some(image)) = (format, &self.image) {
            json::check_path(image)?;
        }
        let key = self.signing.read()?;
        let key = key.as_deref();
        if let (None, Some(format)) = (key, format.filter(|format| format.can_be_signed())) {
            log::info!("{}: IS NOT SIGNED; --sign KEY signs it", format.name());
        }
        self.allow.check(self.image.as_deref().or(self.chain.disk()), &self.verity)?;
        // A program for UEFI is read in a moment, so its errors come before the image is read.
        let banks = self.banks(format);
        let file = self.chain.disk().map(DiskFile::open).transpose()?;
        let disk = file.as_ref().map(DiskFile::read).transpose()?;
        if let Some((start, mut boots)) = self.chain.boots(disk.as_ref(), &banks)? {
            self.machine.expect(&mut boots, &banks)?;
            let given = self.subject(&banks)?;
            if let (None, Some(disk)) = (&given, &disk) {
                DiskRoots::of(disk, &banks).hashed_for(self.allow.hashed(&banks)).add(&mut boots)?;
                disk.file.check_unchanged()?;
                return self.print_disk(&start, &boots, format, &banks, key);
            }
            if let (Some((_, digests)), Some(disk)) = (&given, &disk) {
                // One bank tells two images apart, if it is not SHA-1.
                let one = banks.iter().copied().find(|&bank| bank != Bank::Sha1);
                DiskRoots::of(disk, one.as_ref().map_or(&banks[..], std::slice::from_ref))
                    .warn_of_others(&start, &boots, digests)?;
                disk.file.check_unchanged()?;
            }
            return self.print_chain(&start, boots, given.as_ref(), format, &banks, key);
        }
        let format = format.unwrap_or(Format::Tpm2Yaml);
        let banks = self.banks(Some(format));
        let mut pcrs = SoftPcrs::with(starting_values(&banks, &self.before)?);
        let (subject, digests) = self.subject(&banks)?.ok_or_else(|| Error::new("arguments", "name no image"))?;
        let report = measurement::extend(&mut pcrs, self.pcr, &digests)?;
        if let Some(rtmr) = self.rtmr {
            self.say_parameters();
            if self.before.is_empty() {
                log::warn!(
                    "assumes that RTMR {rtmr} was zeros before the boot (boot loaders and the kernel extend RTMR 2, not 3): --before takes what was there"
                );
            }
            return print(rtmr_prediction::text(rtmr, &subject, &report, self.format())?.as_bytes());
        }
        if format == Format::Tpm2Yaml {
            for (bank, digest) in &digests {
                log::info!("{subject}: {bank} {digest}");
            }
        }
        self.say_parameters();
        self.allow.warn_of_sha1(&banks);
        let entries = &[(&subject, &report, None)];
        if format == Format::InToto {
            return self.allow.publish(entries, key, print);
        }
        let prediction = Prediction { subject: &subject, report: &report, key };
        print(&prediction.bytes(format)?)?;
        // After an error, the list must not trust an image whose prediction nobody got.
        self.allow.add(entries)
    }

    fn format(&self) -> Option<Format> {
        if self.json { Some(Format::Json) } else { self.format }
    }

    /// The banks that --bank names, else those of the format.
    fn banks(&self, format: Option<Format>) -> Vec<Bank> {
        if self.rtmr.is_some() {
            return vec![RtmrIndex::BANK];
        }
        let all = || format.map_or(Bank::ALL.to_vec(), Format::default_banks);
        if self.banks.is_empty() { all() } else { self.banks.clone() }
    }

    /// What is measured as the root image, if the user names one.
    fn subject(&self, banks: &[Bank]) -> Result<Option<(Subject, Digests)>> {
        match (&self.image, self.roothash, self.verity.as_slice()) {
            (Some(path), ..) => self.image(path, banks).map(Some),
            (None, Some(hash), _) => Ok(Some(root_hash(&hash, banks))),
            (None, None, [image, tree]) => {
                let check = VerityCheck { image, tree, offset: self.hash_offset.unwrap_or(0) };
                Ok(Some(root_hash(&check.root_hash()?, banks)))
            }
            (None, None, _) => Ok(None),
        }
    }

    /// Hashes an image as a boot does.
    fn image(&self, path: &Path, banks: &[Bank]) -> Result<(Subject, Digests)> {
        let (image, format) = (ImageFile::open(path)?, self.image_format);
        let bytes = image.measured_bytes(self.device)?;
        let digests = format.of(image.digests(bytes, &self.allow.hashed(banks))?);
        let predicted = in_banks(&digests, banks);
        Ok((Subject::Image { image: image.name, bytes, format, digests }, predicted))
    }

    /// Says which parameters the boot must get to measure as it was predicted: without them, it measures in another way, and
    /// no boot has the predicted values.
    fn say_parameters(&self) {
        if self.pcr != PcrIndex::DEFAULT {
            log::warn!(
                "the values are those of a boot with rootimgpcr={} on the kernel command line; without it, the image is measured \
                 into PCR {}",
                self.pcr,
                PcrIndex::DEFAULT
            );
        }
        if let Some(rtmr) = self.rtmr.filter(|rtmr| *rtmr != RtmrIndex::DEFAULT) {
            let default = RtmrIndex::DEFAULT;
            log::warn!(
                "the value is that of a boot with measureroot.rtmr={rtmr}; without it, RTMR {default} is extended"
            );
        }
        if self.image_format != ImageFormat::default() {
            let (given, default) = (self.image_format, ImageFormat::default());
            log::warn!(
                "the values are those of a boot with measureroot.format={given} on the kernel command line; without it, the \
                 image is measured as {default}"
            );
        }
    }
}

fn parse_rtmr(text: &str) -> Result<RtmrIndex> {
    let cause = match (RtmrChoice::of(text), text) {
        (Ok(RtmrChoice::Always(index)), _) => return Ok(index),
        (_, "0" | "1") => "this RTMR holds what the firmware measures",
        _ => "no number of an RTMR that an image is measured into",
    };
    Err(Error::new(text, cause).hint("2 or 3"))
}

/// The digests in these banks.
fn in_banks(digests: &Digests, banks: &[Bank]) -> Digests {
    digests.iter().filter(|(bank, _)| banks.contains(bank)).map(|(&bank, digest)| (bank, digest.clone())).collect()
}

fn root_hash(hash: &TreeHash, banks: &[Bank]) -> (Subject, Digests) {
    (Subject::RootHash { root_hash: hex::encode(hash) }, image_digest::of_root_hash(hash, banks))
}
