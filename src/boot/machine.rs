//! The seam between the boot's sequence and the machine: each step that touches the machine is a method here.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::boot::device_watch::DeviceWatch;
use crate::boot::power::Power;
use crate::boot::root_devices::RootDevices;
use crate::boot::rtmr_device::RtmrRequest;
use crate::boot::status::Status;
use crate::config::Config;
use crate::config::failure_policy::FailurePolicy;
use crate::console::progress::Amount;
use crate::error::Result;
use crate::eventlog::Recorder;
use crate::measure::measurement::Report;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::media::image::Image;
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::superblock::FileSystem;
use crate::seal::choice::SealConditions;
use crate::seal::prepared_root_hash::RootHash;
use crate::seal::prepared_tree::Tree;
use crate::seal::sealed_image::SealedImage;
use crate::tpm::TpmRequest;

/// What the boot does on its machine. [`crate::boot::linux`] is the real one; the tests have one that fails on demand.
#[allow(missing_docs, clippy::missing_errors_doc)] // Each method is one step.
pub(super) trait Machine {
    fn mount_kernel_filesystems(&mut self) -> Result<()>;
    fn command_line(&mut self) -> Result<Vec<u8>>;
    /// Prepares the machine for a failure that this program cannot handle: a panic, its own or the kernel's.
    fn expect_failure(&mut self, policy: &FailurePolicy);
    /// Checks that the files of / can be deleted later: only those of an initramfs can.
    fn check_initramfs(&mut self) -> Result<()>;
    /// Loads the modules that this machine needs. What no device needs may be under way afterwards.
    fn load_modules(&mut self, config: &Config) -> Result<()>;
    /// Waits for the modules that are under way, those of the image's file system and of the overlay among them.
    fn finish_modules(&mut self) -> Result<()>;
    /// The modules of the initramfs that are not in the kernel, each with the reason; `None` if there are none.
    fn modules_left_out(&self) -> Option<String> {
        None
    }
    /// The TPM's PCRs, or `None` if no TPM appears in time.
    fn tpm(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>>;
    /// The PCRs that an unmeasured boot marks, or `None` if the machine has no TPM.
    fn tpm_of_unmeasured(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>>;
    /// Loads the modules after a failure, because the TPM may need one of them: also what is left of a broken initramfs.
    fn load_modules_to_mark(&mut self);
    /// The PCRs that a failed boot marks, or `None` if there is no TPM. This works after each step.
    fn tpm_to_mark(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>>;
    /// The RTMRs that are extended beside a TPM, or alone; none if the machine is no confidential one that has them. This works after
    /// each step, as the mark does.
    fn rtmrs(&mut self, request: RtmrRequest) -> Result<Vec<Rtmr>>;
    /// Waits for the devices that the command line names.
    fn wait_for_root(&mut self, config: &Config) -> Result<RootDevices>;
    /// Searches every device for the image, again and again as devices appear.
    fn search(&mut self, path: &str, request: ImageRequest) -> Result<ImageLocation>;
    /// Starts the watch over the devices that the boot reads from now on. If one does not answer for the time of `limit`, the
    /// watch marks the failure and stops the machine.
    fn watch(&mut self, limit: Duration, policy: FailurePolicy) -> Result<DeviceWatch>;
    fn find_image(&mut self, location: &ImageLocation, request: ImageRequest) -> Result<Image>;
    /// The Merkle tree of a prepared image: on the device at `node`, or after the data of the image.
    fn find_tree(&mut self, image: &Image, roothash: &RootHash, node: Option<&Path>) -> Result<Tree>;
    /// Shows the progress of the hashing.
    fn progress(&mut self, amount: Amount);
    /// What the image, its device and the machine offer for a seal.
    fn seal_conditions(&mut self, image: &Image) -> Result<SealConditions>;
    /// Mounts the image and returns its file system.
    fn mount_image(&mut self, image: &Image, sealed: &SealedImage, config: &Config) -> Result<FileSystem>;
    /// Mounts the overlay and returns its size, in tmpfs's notation.
    fn mount_overlay(&mut self, config: &Config) -> Result<String>;
    fn find_init(&mut self, config: &Config) -> Result<String>;
    /// Writes the recorded events into files, and from then on also each new one.
    fn write_log(&mut self, log: &mut Recorder) -> Result<()>;
    /// Writes the report, and what else the booted system finds in /run.
    fn write_status(&mut self, status: &Status) -> Result<()>;
    /// Moves the kernel's file systems. It moves none of them if one cannot be moved.
    fn move_mounts(&mut self) -> Result<()>;
    fn switch_root(&mut self, report: &Report) -> Result<()>;
    fn exec(&mut self, init: &str) -> Result<Infallible>;
    /// What ends this machine.
    fn power(&self) -> Arc<dyn Power>;
}
