//! A machine for the tests of the boot: it records each call, and fails at the call that a test chooses.

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::boot::device_watch::DeviceWatch;
use crate::boot::fail::fail;
use crate::boot::fake_call::{Call, Fault};
use crate::boot::fake_power::FakePower;
use crate::boot::fake_rtmr::FakeRtmr;
use crate::boot::fake_tpm::{BANKS, FakeTpm, extended_with};
use crate::boot::machine::Machine;
use crate::boot::power::Power;
use crate::boot::root_devices::{RootDevices, Sought};
use crate::boot::rtmr_device::RtmrRequest;
use crate::boot::sequence::boot;
use crate::boot::status::Status;
use crate::boot::step::Failure;
use crate::config::Config;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::console::progress::Amount;
use crate::error::{Error, Result};
use crate::eventlog::Recorder;
use crate::eventlog::claim::Claim;
use crate::hash::digest::{Digests, digests_of};
use crate::hash::tree_shape::TreeShape;
use crate::measure::measurement::Report;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::session::SessionChoice;
use crate::media::image::{Content, Found, Image, ImagePlace};
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::image_source::ImageSource;
use crate::media::superblock::{FileSystem, Superblock};
use crate::seal::choice::SealConditions;
use crate::seal::prepared_root_hash::RootHash;
use crate::seal::prepared_tree::Tree;
use crate::seal::sealed_image::SealedImage;
use crate::sys::waits::for_ever;
use crate::tpm::TpmRequest;

/// The bytes of the fake image.
pub(super) const IMAGE: &[u8] = b"the image";

/// A machine that is not real.
pub(super) struct Fake {
    power: Arc<FakePower>,
    pub(super) log: Vec<Claim>,
    line: &'static str,
    fault: Fault,
    tpm: Option<FakeTpm>,
    pub(super) rtmr: Option<FakeRtmr>,
    /// Whether the kernel shows the TPM.
    shows_tpm: bool,
    verity: bool,
    ended: Option<Sender<(Failure, Fake)>>,
}

impl Fake {
    /// A machine with a TPM and without dm-verity. It boots with this command line.
    pub(super) fn new(line: &'static str) -> Self {
        Self {
            power: Arc::default(),
            log: Vec::new(),
            line,
            fault: Fault::None,
            tpm: Some(FakeTpm::new()),
            rtmr: None,
            shows_tpm: true,
            verity: false,
            ended: None,
        }
    }

    /// The same machine with a fault.
    pub(super) fn with(mut self, fault: Fault) -> Self {
        self.set_fault(fault);
        self
    }

    /// The same machine with dm-verity.
    pub(super) fn with_verity(self) -> Self {
        Self { verity: true, ..self }
    }

    /// The same machine with an RTMR.
    pub(super) fn with_rtmr(self) -> Self {
        Self { rtmr: Some(FakeRtmr::new()), ..self }
    }

    /// The same machine without a TPM.
    pub(super) fn without_tpm(self) -> Self {
        Self { tpm: None, ..self }
    }

    /// The same machine, and the TPM's driver is a module.
    pub(super) fn with_modular_tpm(self) -> Self {
        Self { shows_tpm: false, ..self }
    }

    /// The calls until now.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.power.calls()
    }

    fn set_fault(&mut self, fault: Fault) {
        self.fault = fault;
        self.power.set_fault(fault);
        if let Some(tpm) = &mut self.tpm {
            tpm.fault = fault;
        }
        if let Some(rtmr) = &mut self.rtmr {
            rtmr.fault = fault;
        }
    }

    fn open(&mut self, call: Call, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        if self.fault == Fault::Session && request.session != SessionChoice::None {
            return Err(Error::new("session", "the TPM starts none"));
        }
        self.call(call)?;
        let shown = self.tpm.clone().filter(|_| self.shows_tpm);
        Ok(shown.map(|tpm| Box::new(tpm) as Box<dyn Pcrs>))
    }

    fn call(&mut self, call: Call) -> Result<()> {
        self.power.add(call);
        if self.fault == Fault::Hangs(call) {
            self.power.hang_until(Call::Stop(FailureAction::PowerOff));
        }
        self.hang_at(call);
        if self.fault == Fault::At(call) { Err(Error::new(format!("{call:?}"), "fails")) } else { Ok(()) }
    }

    fn hang_at(&self, call: Call) {
        if self.fault == Fault::HangsForEver(call) {
            for_ever();
        }
    }

    /// Boots in a thread that hangs at this call. Returns the failure that ended the boot, and the machine that the failure was
    /// handled with; its TPM is the same.
    pub(super) fn hangs_at(self, call: Call) -> (Failure, Self) {
        let (sender, ended) = channel();
        let mut machine = Self { ended: Some(sender), ..self.with(Fault::HangsForEver(call)) };
        std::thread::spawn(move || machine.boot());
        ended.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    /// Boots and handles the failure, as PID 1 does. While the failure is handled, the fault is gone, unless it is
    /// [`Fault::Session`], [`Fault::ReadAfterExtend`] or [`Fault::Hangs`].
    pub(super) fn boot(&mut self) -> Failure {
        let (mut policy, mut log) = (FailurePolicy::of(&[]), Recorder::default());
        let Err(failure) = boot(self, &mut policy, &mut log);
        if !matches!(self.fault, Fault::Session | Fault::ReadAfterExtend | Fault::Hangs(_)) {
            self.set_fault(Fault::None);
        }
        fail(self, &policy, &mut log, &failure);
        self.log = log.claims().cloned().collect();
        failure
    }

    /// The values of PCR 13.
    pub(super) fn pcr(&self) -> Digests {
        self.tpm.as_ref().unwrap().values()
    }

    /// Whether PCR 13 was extended with the digests of these texts, in this order, and with nothing else.
    pub(super) fn is_extended_with(&self, texts: &[&[u8]]) -> bool {
        let digests = texts.iter().map(|text| digests_of(&BANKS, text));
        self.pcr() == extended_with(digests)
    }
}

impl Machine for Fake {
    fn mount_kernel_filesystems(&mut self) -> Result<()> {
        self.call(Call::MountKernelFilesystems)
    }
    fn command_line(&mut self) -> Result<Vec<u8>> {
        self.call(Call::CommandLine).map(|()| self.line.as_bytes().to_vec())
    }
    fn load_modules(&mut self, _: &Config) -> Result<()> {
        self.call(Call::LoadModules).map(|()| self.shows_tpm = true)
    }
    fn finish_modules(&mut self) -> Result<()> {
        self.call(Call::FinishModules)
    }
    fn load_modules_to_mark(&mut self) {
        self.shows_tpm |= self.call(Call::LoadModulesToMark).is_ok();
    }
    fn expect_failure(&mut self, _: &FailurePolicy) {
        self.power.add(Call::ExpectFailure);
    }
    fn check_initramfs(&mut self) -> Result<()> {
        self.call(Call::CheckInitramfs)
    }
    fn tpm(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        self.open(Call::Tpm, request)
    }
    fn tpm_of_unmeasured(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        self.open(Call::TpmOfUnmeasured, request)
    }
    fn tpm_to_mark(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        self.open(Call::TpmToMark, request)
    }
    fn rtmrs(&mut self, request: RtmrRequest) -> Result<Vec<Rtmr>> {
        Ok(self.rtmr.iter().map(|rtmr| rtmr.open(request)).collect())
    }
    fn wait_for_root(&mut self, config: &Config) -> Result<RootDevices> {
        let node = "/dev/vda".into();
        let image = Sought::At(match &config.source {
            ImageSource::File(_, path) => ImageLocation::File { node, path: path.clone(), found: Found::Named },
            _ => ImageLocation::Device(node),
        });
        self.call(Call::WaitForRoot).map(|()| RootDevices { image, tree: None })
    }
    fn search(&mut self, path: &str, _: ImageRequest) -> Result<ImageLocation> {
        Err(Error::new(path, "is on no device"))
    }
    fn watch(&mut self, limit: Duration, policy: FailurePolicy) -> Result<DeviceWatch> {
        let Some(ended) = self.ended.clone() else { return DeviceWatch::start(limit, Box::new(|_| 0), |_| ()) };
        let mut machine = Self::new("");
        machine.tpm.clone_from(&self.tpm);
        machine.rtmr.clone_from(&self.rtmr);
        machine.set_fault(Fault::None);
        // No other call may take as long on a machine that has much to do.
        DeviceWatch::start(Duration::from_secs(3), Box::new(|_| 0), move |failure| {
            fail(&mut machine, &policy, &mut Recorder::default(), failure);
            ended.send((failure.clone(), machine)).unwrap();
        })
    }
    fn find_image(&mut self, _: &ImageLocation, request: ImageRequest) -> Result<Image> {
        self.call(Call::FindImage)?;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(IMAGE).unwrap();
        let bytes = IMAGE.len() as u64 + u64::from(self.fault == Fault::ShortImage);
        let superblock = Superblock { kind: FileSystem::Squashfs, bytes, block: 4096, label: None, uuid: None };
        let content = if request.prepared { Content::Prepared } else { Content::Plain(superblock) };
        let place = ImagePlace::Device("/dev/vda".into());
        Ok(Image { file, place, content, bytes, opened_bytes: IMAGE.len() as u64 })
    }
    fn find_tree(&mut self, _: &Image, roothash: &RootHash, _: Option<&Path>) -> Result<Tree> {
        let shape = TreeShape { data_block: 4096, data_blocks: 1, hash_block: 4096, salt: Vec::new() };
        let uuid = Default::default();
        self.call(Call::FindTree).map(|()| Tree { node: None, start: 1, shape, root_hash: roothash.hash, uuid })
    }
    fn progress(&mut self, _: Amount) {
        self.hang_at(Call::Progress);
    }
    fn seal_conditions(&mut self, image: &Image) -> Result<SealConditions> {
        let (bytes, verity) = (image.bytes, self.verity);
        self.call(Call::SealConditions).map(|()| SealConditions {
            bytes,
            block: 4096,
            sector: 512,
            verity,
            memory: 1 << 40,
        })
    }
    fn mount_image(&mut self, _: &Image, _: &SealedImage, _: &Config) -> Result<FileSystem> {
        self.call(Call::MountImage).map(|()| FileSystem::Squashfs)
    }
    fn mount_overlay(&mut self, _: &Config) -> Result<String> {
        self.call(Call::MountOverlay).map(|()| "50%".to_owned())
    }
    fn find_init(&mut self, _: &Config) -> Result<String> {
        self.call(Call::FindInit).map(|()| "/sbin/init".to_owned())
    }
    fn write_log(&mut self, _: &mut Recorder) -> Result<()> {
        self.call(Call::WriteLog)
    }
    fn write_status(&mut self, _: &Status) -> Result<()> {
        self.call(Call::WriteStatus)
    }
    fn move_mounts(&mut self) -> Result<()> {
        self.call(Call::MoveMounts)
    }
    fn switch_root(&mut self, _: &Report) -> Result<()> {
        self.call(Call::SwitchRoot)
    }
    fn exec(&mut self, _: &str) -> Result<Infallible> {
        self.power.add(Call::Exec);
        Err(Error::new("exec", "fails, because this test must return"))
    }
    fn power(&self) -> Arc<dyn Power> {
        Arc::clone(&self.power) as Arc<dyn Power>
    }
}
