//! `measureroot predict`: what a boot of an image does to the PCR.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::allow::AllowEntry;
use super::format::{Format, Prediction, Subject};
use super::{print, verity_check};
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::hash::merkle::Hash;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement::{self, ImageBytes};
use crate::measure::pcr::{PcrIndex, SoftPcrs};
use crate::media::devices;
use crate::media::image::length_on_device;
use crate::seal::prepared_root_hash::parse_hash;
use crate::sys::block_device;

/// Predict the PCR of a machine that boots an image.
///
/// Prints the PCR of each bank just as tpm2_pcrread does, so that the two can be compared (the image's digests then go to
/// standard error), or as others want it. The values come from the very code that measures at boot.
#[derive(Debug, Args)]
pub struct Predict {
    /// The image: a file, or a block device that it was written to.
    #[arg(required_unless_present_any = ["roothash", "verity"])]
    image: Option<PathBuf>,
    /// The root hash of an image that was prepared with veritysetup, as in roothash=.
    #[arg(long, value_name = "HEX", value_parser = parse_hash, conflicts_with_all = ["image", "verity"])]
    roothash: Option<Hash>,
    /// An image that was prepared with veritysetup, and the file or device with its Merkle tree: every block is checked.
    #[arg(long, num_args = 2, value_names = ["IMAGE", "HASHDEV"], conflicts_with = "image")]
    verity: Vec<PathBuf>,
    /// Where the tree's superblock is on HASHDEV, in bytes, as in measureroot.hashoffset=.
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "verity")]
    hash_offset: u64,
    /// The PCR, as in rootimgpcr=.
    #[arg(long, value_name = "N", default_value_t = PcrIndex::DEFAULT)]
    pcr: PcrIndex,
    /// A bank to predict: sha1, sha256, sha384 or sha512 [default: all of them].
    #[arg(long = "bank", value_name = "BANK")]
    banks: Vec<Bank>,
    /// The PCR's value before the boot, in hex; its length tells the bank [default: zeros].
    #[arg(long, value_name = "HEX")]
    before: Vec<String>,
    /// Measure only as far as the image's file system goes, as when the file is written to a larger partition.
    #[arg(long, conflicts_with_all = ["roothash", "verity"])]
    device: bool,
    /// What stands for the image in the PCR, as in measureroot.format=: plain or meta-measured.
    #[arg(long, value_name = "NAME", default_value_t, conflicts_with_all = ["roothash", "verity"])]
    image_format: ImageFormat,
    /// What to print.
    #[arg(long, value_name = "FORM", default_value = "tpm2-yaml")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    allow: AllowEntry,
}

impl Predict {
    /// Computes the digests as the boot does, and prints the values.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn run(self) -> Result<()> {
        let format = if self.json { Format::Json } else { self.format };
        let banks = if self.banks.is_empty() { format.banks() } else { self.banks.clone() };
        let mut pcrs = SoftPcrs::with(starting_values(&banks, &self.before)?);
        let (subject, digests) = match (&self.image, self.roothash, self.verity.as_slice()) {
            (Some(path), ..) => image(path, self.device, self.image_format, &banks)?,
            (None, Some(hash), _) => root_hash(&hash, &banks),
            (None, None, [image, tree]) => root_hash(&verity_check::root_hash(image, tree, self.hash_offset)?, &banks),
            (None, None, _) => return Err(Error::new("arguments", "name no image")),
        };
        let report = measurement::extend(&mut pcrs, self.pcr, &digests)?;
        self.allow.add(&subject.name(), &report)?;
        if format == Format::Tpm2Yaml {
            for (bank, digest) in &digests {
                log::info!("{subject}: {bank} {digest}");
            }
        }
        print(Prediction { subject: &subject, report: &report }.text(format)?.as_bytes())
    }
}

/// Hashes an image as its boot does; with `device`, only as far as its file system goes.
///
/// # Errors
/// When the image cannot be read.
pub(super) fn image(path: &Path, device: bool, format: ImageFormat, banks: &[Bank]) -> Result<(Subject, Digests)> {
    let image = path.display().to_string();
    let file = File::open(path).about(&image)?;
    let opened_bytes = block_device::size(&file).ok_or_else(|| Error::new(&image, "has no length"))?;
    let bytes = length(&file, &image, device, opened_bytes)?;
    let bar = progress_bar(bytes);
    let progress = &mut |done| bar.set_position(done);
    let digests =
        measurement::image(ImageBytes { file: &file, name: &image, bytes, opened_bytes }, banks, None, progress)?;
    bar.finish_and_clear();
    Ok((Subject::Image { image, bytes, format }, format.of(digests)))
}

/// How much of the file's `bytes` the boot hashes: all of them when it is a file on a medium, its file system's own
/// length when it is a device.
fn length(file: &File, name: &str, device: bool, bytes: u64) -> Result<u64> {
    let on_device = device || !file.metadata().about(name)?.is_file();
    match devices::superblock(file, name) {
        Ok(Some(found)) if found.kind.is_image() => {
            let own = length_on_device(&found, bytes, name)?;
            if on_device {
                return Ok(own);
            }
            if own != bytes {
                log::warn!(
                    "{name}: its {} ends after {own} of {bytes} bytes; on a block device only those are \
                     measured: predict that with --device",
                    found.kind.name()
                );
            }
        }
        Err(error) if on_device => return Err(error),
        _ if on_device => {
            return Err(Error::new(name, "no root image is known on it").hint("squashfs, erofs or ext4"));
        }
        _ => log::warn!("{name}: neither squashfs, erofs nor ext4; the boot would refuse it"),
    }
    Ok(bytes)
}

fn root_hash(hash: &Hash, banks: &[Bank]) -> (Subject, Digests) {
    (Subject::RootHash { root_hash: hex::encode(hash) }, measurement::root_hash(hash, banks))
}

fn starting_values(banks: &[Bank], given: &[String]) -> Result<Digests> {
    let mut values: Digests = banks.iter().map(|&bank| (bank, Digest::zero(bank))).collect();
    for text in given {
        let object = format!("--before {text}");
        let bytes = hex::decode(text.trim_start_matches("0x")).about(&object)?;
        let bank = banks
            .iter()
            .copied()
            .find(|bank| bank.digest_len() == bytes.len())
            .ok_or_else(|| Error::new(&object, format!("its {} bytes fit no bank asked for", bytes.len())))?;
        values.insert(bank, Digest::from_bytes(bank, &bytes)?);
    }
    Ok(values)
}

/// Shown on a terminal only.
pub(super) fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} % {bytes_per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_the_bank() {
        let values = starting_values(&[Bank::Sha1, Bank::Sha256], &["0x".to_owned() + &"ab".repeat(20)]).unwrap();
        assert_eq!(values[&Bank::Sha1].to_string(), "ab".repeat(20));
        assert_eq!(values[&Bank::Sha256], Digest::zero(Bank::Sha256));
        for wrong in ["", "ab", "xy", &"ab".repeat(64)] {
            assert!(starting_values(&[Bank::Sha1], &[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
