//! A boot for tests of the TPM: the sequence, the measurement, the seal and the mark of a failure are the real ones, and so can the
//! TPM be. The rest of the machine is pretended. Nothing of the image runs.

use std::convert::Infallible;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::boot::device_watch::DeviceWatch;
use crate::boot::fail::fail;
use crate::boot::machine::Machine;
use crate::boot::power::{Limits, Power};
use crate::boot::root_devices::{RootDevices, Sought};
use crate::boot::rtmr_device::RtmrRequest;
use crate::boot::sequence::boot;
use crate::boot::status::Status;
use crate::config::Config;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::console::progress::Amount;
use crate::error::{Context, Error, Result};
use crate::eventlog::Recorder;
use crate::measure::measurement::Report;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::session::SessionChoice;
use crate::media::image::{Content, Image, ImagePlace};
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::superblock::{FileSystem, Superblock};
use crate::seal::choice::SealConditions;
use crate::seal::prepared_root_hash::RootHash;
use crate::seal::prepared_tree::Tree;
use crate::seal::sealed_image::SealedImage;
use crate::tpm::TpmRequest;

/// Opens the TPM, as often as the boot asks for it.
type Open<'a> = dyn FnMut(SessionChoice) -> Result<Box<dyn Pcrs>> + 'a;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The boot has started the init of the image.
    Started,
    /// A step failed, and the failure was handled.
    Failed {
        /// The name of the step.
        step: &'static str,
        /// The object, the cause and the hint.
        error: String,
    },
}

impl Trial {
    /// Boots with this command line and this image. The image can be any file; only its length must suit the seal.
    #[must_use]
    pub fn of(line: &str, image: &File, open: &mut Open<'_>) -> Self {
        let mut machine = Pretended { line, image, open, has_started: false };
        let (mut policy, mut log) = (FailurePolicy::of(&[]), Recorder::default());
        let Err(failure) = boot(&mut machine, &mut policy, &mut log);
        if machine.has_started {
            return Self::Started;
        }
        // A halt comes at once, and leaves no thread that waits.
        policy = FailurePolicy { action: FailureAction::Halt, pause: Some(Duration::ZERO), ..policy };
        fail(&mut machine, &policy, &mut log, &failure);
        Self::Failed { step: failure.step.name(), error: failure.error.to_string() }
    }
}

/// The machine.
struct Pretended<'a> {
    line: &'a str,
    image: &'a File,
    open: &'a mut Open<'a>,
    has_started: bool,
}

impl Machine for Pretended<'_> {
    fn mount_kernel_filesystems(&mut self) -> Result<()> {
        Ok(())
    }
    fn command_line(&mut self) -> Result<Vec<u8>> {
        Ok(self.line.into())
    }
    fn expect_failure(&mut self, _: &FailurePolicy) {}
    fn check_initramfs(&mut self) -> Result<()> {
        Ok(())
    }
    fn load_modules(&mut self, _: &Config) -> Result<()> {
        Ok(())
    }
    fn finish_modules(&mut self) -> Result<()> {
        Ok(())
    }
    fn load_modules_to_mark(&mut self) {}
    fn tpm(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        (self.open)(request.session).map(Some)
    }
    fn tpm_of_unmeasured(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        (self.open)(request.session).map(Some)
    }
    fn tpm_to_mark(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        (self.open)(request.session).map(Some)
    }
    fn rtmrs(&mut self, _: RtmrRequest) -> Result<Vec<Rtmr>> {
        Ok(Vec::new())
    }
    fn wait_for_root(&mut self, _: &Config) -> Result<RootDevices> {
        Ok(RootDevices { image: Sought::At(ImageLocation::Device(DISK.into())), tree: None })
    }
    fn search(&mut self, path: &str, _: ImageRequest) -> Result<ImageLocation> {
        Err(Error::new(path, "is on no device"))
    }
    fn watch(&mut self, limit: Duration, _: FailurePolicy) -> Result<DeviceWatch> {
        DeviceWatch::start(limit, Box::new(|_| 0), |_| ())
    }
    fn find_image(&mut self, _: &ImageLocation, _: ImageRequest) -> Result<Image> {
        let (file, bytes) = (self.image.try_clone().about(DISK)?, self.image.metadata().about(DISK)?.len());
        let superblock = Superblock { kind: FileSystem::Squashfs, bytes, block: BLOCK, label: None, uuid: None };
        let (place, content) = (ImagePlace::Device(DISK.into()), Content::Plain(superblock));
        Ok(Image { file, place, content, bytes, opened_bytes: bytes })
    }
    fn find_tree(&mut self, image: &Image, _: &RootHash, _: Option<&Path>) -> Result<Tree> {
        Err(Error::new(image, "has no tree"))
    }
    fn progress(&mut self, _: Amount) {}
    fn seal_conditions(&mut self, image: &Image) -> Result<SealConditions> {
        Ok(SealConditions { bytes: image.bytes, block: BLOCK, sector: 512, verity: true, memory: u64::MAX })
    }
    fn mount_image(&mut self, _: &Image, _: &SealedImage, _: &Config) -> Result<FileSystem> {
        Ok(FileSystem::Squashfs)
    }
    fn mount_overlay(&mut self, _: &Config) -> Result<String> {
        Ok(String::new())
    }
    fn find_init(&mut self, _: &Config) -> Result<String> {
        Ok(String::new())
    }
    fn write_log(&mut self, _: &mut Recorder) -> Result<()> {
        Ok(())
    }
    fn write_status(&mut self, _: &Status) -> Result<()> {
        Ok(())
    }
    fn move_mounts(&mut self) -> Result<()> {
        Ok(())
    }
    fn switch_root(&mut self, _: &Report) -> Result<()> {
        Ok(())
    }
    fn exec(&mut self, init: &str) -> Result<Infallible> {
        self.has_started = true;
        Err(Error::new(init, "is not started in a trial"))
    }
    fn power(&self) -> Arc<dyn Power> {
        Arc::new(NoPower)
    }
}

/// The disk of the machine. Nothing opens it.
const DISK: &str = "/dev/vda";
/// The blocks of the image's file system, in bytes.
const BLOCK: u32 = 4096;

/// The power of the machine: its end ends nothing.
struct NoPower;

impl Power for NoPower {
    fn limits(&self) -> Limits {
        let limit = Duration::from_secs(60);
        Limits { mark: limit, restart: limit, power_off: limit }
    }
    fn pause(&self, _: Option<Duration>) {}
    fn stop(&self, _: FailureAction) {}
    fn restart_at_once(&self) {}
}
