//! A root image on the machine that built it: a file or a block device, read as a boot reads it.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::image_digest::{self, ImageBytes};
use crate::media::image_device::length_on_device;
use crate::media::superblock_reader;
use crate::sys::block_device;

/// An open image.
#[derive(Debug)]
pub(super) struct ImageFile {
    /// The descriptor; the image is never opened a second time.
    pub(super) file: File,
    /// The path, as the user gave it.
    pub(super) name: String,
    /// The length of the file or device in bytes.
    pub(super) bytes: u64,
}

impl ImageFile {
    /// Opens an image. Fails if the path is neither a file nor a block device.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).about(&name)?;
        let bytes = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no length"))?;
        Ok(Self { file, name, bytes })
    }

    /// How many bytes a boot measures: the length of the file system on a block device (also if `device` says that the file
    /// will be written to one), the whole length of a file.
    pub(super) fn measured_bytes(&self, device: bool) -> Result<u64> {
        let Self { file, name, bytes } = self;
        let on_device = device || !file.metadata().about(name)?.is_file();
        match superblock_reader::read(file, name) {
            Ok(Some(found)) if found.kind.is_image() => {
                let own = length_on_device(&found, *bytes, name)?;
                if on_device {
                    return Ok(own);
                }
                if own != *bytes {
                    log::warn!(
                        "{name}: its {} ends after {own} of {bytes} bytes; on a block device only those are \
                         measured: use --device to predict that",
                        found.kind.name()
                    );
                }
            }
            Err(error) if on_device => return Err(error),
            Err(error) => log::warn!("{error}; the boot would refuse it"),
            _ if on_device => {
                return Err(Error::new(name, "no file system of a root image found").hint("squashfs, erofs or ext4"));
            }
            _ => log::warn!("{name}: neither squashfs, erofs nor ext4; the boot would refuse it"),
        }
        Ok(*bytes)
    }

    /// The digests of the first `bytes` bytes, with a progress bar.
    pub(super) fn digests(&self, bytes: u64, banks: &[Bank]) -> Result<Digests> {
        let bar = progress_bar(bytes);
        let progress = &mut |done| bar.set_position(done);
        let source = ImageBytes { file: &self.file, name: &self.name, bytes, opened_bytes: self.bytes };
        let digests = image_digest::of_image(source, banks, None, progress)?;
        bar.finish_and_clear();
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
