//! A root image on the machine that built it: a file or a block device, read as a boot reads it.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::input_file::{self, Kinds};
use super::padded_blocks::PaddedBlocks;
use super::unchanged::Unchanged;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::hash::file_blocks::FileBlocks;
use crate::hash::pass;
use crate::measure::image_digest::{self, ImageBytes};
use crate::media::image_device::{check_padding, length_on_device, padded_length};
use crate::media::superblock::Superblock;
use crate::media::superblock_reader;
use crate::sys::block_device;

/// The hint if a file is not an image.
const IMAGE: &str = "a boot would refuse it: an image is a squashfs, erofs or ext4, not compressed once more; of an ISO or a \
                     stick, give the image file that is on it";

/// An open image.
#[derive(Debug)]
pub(super) struct ImageFile {
    /// The descriptor; the image is never opened a second time.
    pub(super) file: File,
    /// The path, as the user gave it.
    pub(super) name: String,
    /// The length of the file or device in bytes.
    pub(super) bytes: u64,
    opened: Option<Unchanged>,
}

impl ImageFile {
    /// Opens an image. Fails if the path is neither a file nor a block device.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = input_file::open(path, Kinds::Seekable)?;
        let opened = Unchanged::since(&file, &name)?;
        let bytes = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no length"))?;
        Ok(Self { file, name, bytes, opened })
    }

    /// Checks that a file is the one that was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        self.opened.map_or(Ok(()), |opened| opened.check(&self.file, &self.name))
    }

    /// Whether a boot measures this as a file on a medium, and not as a device.
    fn is_measured_as_file(&self, device: bool) -> Result<bool> {
        Ok(!device && self.file.metadata().about(&self.name)?.is_file())
    }

    /// How many bytes a boot measures: the whole length of a file; on a block device the length of the file system (also if
    /// `device` says that the file will be written to one). Fails if a boot would refuse the image.
    pub(super) fn measured_bytes(&self, device: bool) -> Result<u64> {
        let Self { file, name, bytes, .. } = self;
        let found = superblock_reader::read_for_root(file, name, &[]).map_err(|error| error.hint(IMAGE))?;
        let own = found.bytes;
        if !file.metadata().about(name)?.is_file() {
            let measured = length_on_device(&found, *bytes, name)?;
            check_padding(file, &found, measured, name)?;
            return Ok(measured);
        }
        if own > *bytes {
            let cause = format!("its {} has {own} bytes, the file has {bytes}", found.kind.name());
            return Err(Error::new(name, cause).hint("was it copied as a whole?"));
        }
        if !device {
            self.warn_if_a_device_differs(&found);
            return Ok(*bytes);
        }
        length_on_device(&found, *bytes, name)?;
        let padded = padded_length(&found);
        check_padding(file, &found, padded.min(*bytes), name).map_err(|error| {
            error.hint(format_args!(
                "a boot would refuse it on a device: `truncate --size={own}` cuts the file off behind its {}, then `truncate \
                 --size=%4096` pads it",
                found.kind.name()
            ))
        })?;
        if padded > *bytes {
            log::warn!(
                "{name}: its length is no multiple of 4096. On a device, the zeros behind it up to byte {padded} are measured \
                 with it; of a device that ends before, only the {own} bytes of its {} are measured. `truncate --size=%4096` \
                 makes both the same",
                found.kind.name()
            );
        }
        Ok(padded)
    }

    /// The same as [`ImageFile::measured_bytes`], but a file without a known file system only causes a warning: the
    /// evidence may be about an image that a newer measureroot booted.
    pub(super) fn measured_bytes_of_any(&self, device: bool) -> Result<u64> {
        let unknown = superblock_reader::read(&self.file, &self.name)?.is_none();
        if unknown && self.bytes > 0 && self.is_measured_as_file(device)? {
            log::warn!("{}: neither squashfs, erofs nor ext4; the boot would refuse it", self.name);
            return Ok(self.bytes);
        }
        self.measured_bytes(device)
    }

    /// Says if the file has another value on a device with room for it, or none.
    fn warn_if_a_device_differs(&self, found: &Superblock) {
        let Self { file, name, bytes, .. } = self;
        let (kind, padded) = (found.kind.name(), padded_length(found));
        if check_padding(file, found, padded.min(*bytes), name).is_err() {
            log::warn!(
                "{name}: this is its value as a file; on a block device, a boot refuses it: the bytes from its {kind}'s end \
                 ({}) to the next multiple of 4096 are not zeros",
                found.bytes
            );
        } else if padded < *bytes {
            log::warn!(
                "{name}: its {kind} ends after {padded} of {bytes} bytes; on a block device only those are measured: use \
                 --device to predict that"
            );
        } else if padded > *bytes {
            log::warn!(
                "{name}: its length is no multiple of 4096; on a larger block device {padded} bytes are measured: use --device \
                 to predict that, or pad it with `truncate --size=%4096`"
            );
        }
    }

    /// The digests of the first `bytes` bytes, with a progress bar. If the file is shorter, zeros follow it.
    pub(super) fn digests(&self, bytes: u64, banks: &[Bank]) -> Result<Digests> {
        let bar = progress_bar(bytes);
        let progress = &mut |done| bar.set_position(done);
        let digests = if bytes > self.bytes {
            let file = FileBlocks::new(&self.file, &self.name, self.bytes)?;
            pass::digests(&mut PaddedBlocks::new(file, self.bytes, bytes), banks, None, progress)?
        } else {
            let source = ImageBytes { file: &self.file, name: &self.name, bytes, opened_bytes: self.bytes };
            image_digest::of_image(source, banks, None, progress)?
        };
        bar.finish_and_clear();
        self.check_unchanged()?;
        Ok(digests)
    }
}

/// A progress bar on standard error; hidden unless that is a terminal.
pub(super) fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} % {bytes_per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
