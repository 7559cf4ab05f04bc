//! The report for the booted system: /run/measureroot/status.json, and one line in the log.

use std::fmt::{self, Display};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Serialize, Serializer};

use crate::boot::clock::Clock;
use crate::config::Config;
use crate::error::{Context, Result};
use crate::hash::tree_shape::{TreeHash, TreeShape};
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement::Report;
use crate::measure::tpm_version::TpmVersion;
use crate::media::image::{Found, Image, ImagePlace};
use crate::media::superblock::FileSystem;
use crate::seal::sealed_image::SealedImage;

/// The boot's result.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    version: &'static str,
    #[serde(flatten)]
    report: &'a Report,
    image: ImageStatus,
    seal: SealStatus,
    overlay: OverlayStatus,
    #[serde(serialize_with = "as_object")]
    seconds: Vec<(&'static str, f64)>,
    #[serde(skip)]
    took: Duration,
    memory_peak_kib: Option<i64>,
}

fn as_object<S: Serializer>(seconds: &[(&str, f64)], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(seconds.iter().copied())
}

#[derive(Debug, Serialize)]
struct ImageStatus {
    form: &'static str,
    device: String,
    path: Option<String>,
    filesystem: &'static str,
    bytes: u64,
    /// Which digest stands for the image in the PCR; `None` for a prepared or unmeasured image.
    format: Option<ImageFormat>,
}

#[derive(Debug, Serialize)]
struct SealStatus {
    kind: &'static str,
    #[serde(flatten)]
    tree: Option<TreeStatus>,
}

/// With the names that `veritysetup` uses, so that two trees can be compared.
#[derive(Debug, Serialize)]
struct TreeStatus {
    root_hash: String,
    salt: String,
    data_block: u16,
    data_blocks: u64,
    hash_block: u16,
}

impl SealStatus {
    fn of(sealed: &SealedImage) -> Self {
        let tree = match sealed {
            SealedImage::Verity(_, shape, root_hash) => Some(TreeStatus::of(shape, root_hash)),
            SealedImage::Prepared(tree) => Some(TreeStatus::of(&tree.shape, &tree.root_hash)),
            SealedImage::Ram(_) | SealedImage::None => None,
        };
        Self { kind: sealed.name(), tree }
    }
}

impl TreeStatus {
    fn of(shape: &TreeShape, root_hash: &TreeHash) -> Self {
        Self {
            root_hash: hex::encode(root_hash),
            salt: hex::encode(&shape.salt),
            data_block: shape.data_block,
            data_blocks: shape.data_blocks,
            hash_block: shape.hash_block,
        }
    }
}

#[derive(Debug, Serialize)]
struct OverlayStatus {
    size: String,
    writable: bool,
}

impl<'a> Status<'a> {
    /// The result as far as it is known after the image is mounted; `kind` is its file system.
    #[must_use]
    pub(super) fn new(
        report: &'a Report,
        image: &Image,
        kind: FileSystem,
        sealed: &SealedImage,
        config: &Config,
    ) -> Self {
        let (form, device, path) = match &image.place {
            ImagePlace::Device(node) => ("device", node, None),
            ImagePlace::File { node, path, found: Found::Named } => ("file", node, Some(path)),
            ImagePlace::File { node, path, found: Found::Searched } => ("searched", node, Some(path)),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            report,
            image: ImageStatus {
                form,
                device: device.display().to_string(),
                path: path.map(|path| format!("/{path}")),
                filesystem: kind.name(),
                bytes: match sealed {
                    SealedImage::Prepared(tree) => tree.shape.data_bytes(),
                    _ => image.bytes,
                },
                format: Some(config.format).filter(|_| report.measured && config.roothash.is_none()),
            },
            seal: SealStatus::of(sealed),
            overlay: OverlayStatus { size: String::new(), writable: config.writable },
            seconds: Vec::new(),
            took: Duration::ZERO,
            memory_peak_kib: None,
        }
    }

    /// Adds the overlay's size, in tmpfs's notation.
    pub(super) fn overlay_has(&mut self, size: String) {
        self.overlay.size = size;
    }

    /// Adds the times and the memory that were used until now.
    pub(super) fn finish(&mut self, clock: &Clock) {
        self.seconds = clock.seconds();
        self.took = clock.total();
        // In KiB on Linux (getrusage(2)). The procfs crate gives the same number, but its parser is 30 KB.
        self.memory_peak_kib = getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| usage.max_rss());
    }

    /// Writes it into `folder`. Only root can read it: the digests of an image can reveal which software runs.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder).about(folder.display())?;
        let path = folder.join("status.json");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).about(path.display())?;
        let mut text = serde_json::to_vec_pretty(self).about(path.display())?;
        text.push(b'\n');
        file.write_all(&text).about(path.display())
    }
}

/// Which TPMs have the PCR, if there is a TPM 1.2: a verifier may not accept its SHA-1.
fn of_version12(tpms: &[TpmVersion]) -> &'static str {
    match (tpms.contains(&TpmVersion::V1_2), tpms.contains(&TpmVersion::V2_0)) {
        (true, true) => " of a TPM 2.0 and of a TPM 1.2",
        (true, false) => " of a TPM 1.2",
        (false, _) => "",
    }
}

impl Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = &self.image;
        let place = image.path.as_ref().map_or(image.device.clone(), |path| format!("{path} on {}", image.device));
        if !self.report.measured {
            return write!(f, "NOT MEASURED: {place}, {} bytes of {}", image.bytes, image.filesystem);
        }
        write!(f, "{place} ({}, {} bytes) measured into", image.filesystem, image.bytes)?;
        let (has_pcr, rtmrs) = (!self.report.banks.is_empty(), &self.report.rtmrs);
        if has_pcr {
            write!(f, " PCR {}{}", self.report.pcr, of_version12(&self.report.tpms))?;
        }
        for (nth, extension) in rtmrs.iter().enumerate() {
            write!(f, "{} RTMR {}", if has_pcr || nth > 0 { " and" } else { "" }, extension.rtmr)?;
        }
        write!(f, " in {}.{:02} s:", self.took.as_secs(), self.took.subsec_millis() / 10)?;
        rtmrs.iter().try_for_each(|extension| write!(f, " rtmr{}={}", extension.rtmr, extension.digest))?;
        self.report.banks.iter().try_for_each(|(bank, extension)| write!(f, " {bank}={}", extension.digest))
    }
}
