//! The boot, from top to bottom.

use std::convert::Infallible;
use std::mem::ManuallyDrop;
use std::path::Path;

use crate::boot::clock::Clock;
use crate::boot::device_io::WatchedDevices;
use crate::boot::device_watch::DeviceWatch;
use crate::boot::machine::Machine;
use crate::boot::root_devices::Sought;
use crate::boot::rtmr_device::RtmrRequest;
use crate::boot::status::Status;
use crate::boot::step::{Failure, Step};
use crate::cmdline;
use crate::config::Config;
use crate::config::failure_policy::FailurePolicy;
use crate::console::progress::Amount;
use crate::error::{Error, Result};
use crate::eventlog::Recorder;
use crate::eventlog::claim::{Claim, EventKind};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::image_digest::{self, ImageBytes};
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement::{self, Report, warn_if_used};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::tpm_version::TpmChoice;
use crate::media::image::Image;
use crate::media::image_request::ImageLocation;
use crate::say;
use crate::seal::choice::{self, SealKind};
use crate::seal::seal_builder::SealBuilder;
use crate::tpm::WithRtmrs;

/// Boots. It returns only if a step failed; then no program of the image has run. `policy` then holds what to do on failure, and
/// `log` the events that were measured.
///
/// # Errors
/// The step that failed, and its cause.
pub(super) fn boot(
    machine: &mut dyn Machine,
    policy: &mut FailurePolicy,
    log: &mut Recorder,
) -> std::result::Result<Infallible, Failure> {
    let mut clock = Clock::default();
    clock.step(Step::Mounts, || machine.mount_kernel_filesystems())?;
    let tokens = clock.step(Step::CommandLine, || machine.command_line().map(|line| cmdline::parse(&line)))?;
    *policy = FailurePolicy::of(&tokens);
    machine.expect_failure(policy);
    // Long before that step: then there is nothing to undo.
    machine.check_initramfs().map_err(|error| Failure { step: Step::SwitchRoot, error })?;
    let config = clock.step(Step::CommandLine, || Config::parse(&tokens))?;
    config.translated.iter().for_each(|words| say::info!("{words}"));
    clock.step(Step::Modules, || machine.load_modules(&config))?;
    let tpm = clock.step(Step::Devices, || find_tpm(machine, &config))?;
    let devices = clock.step(Step::Devices, || machine.wait_for_root(&config))?;
    if !matches!(devices.image, Sought::At(ImageLocation::Device(_))) {
        // A medium is mounted to find the image. Its file system may ask for algorithms.
        finish_modules(machine, &mut clock)?;
    }
    let location = clock.step(Step::Image, || match devices.image {
        Sought::At(location) => Ok(location),
        Sought::Anywhere(path) => machine.search(&path, config.image_request()),
    })?;
    let watch = clock.step(Step::Image, || machine.watch(config.read_limit, *policy))?;
    let at = WatchedDevices::new(&location, &[location.node().to_owned()]);
    let image = watch.step(&mut clock, Step::Image, &at, || machine.find_image(&location, config.image_request()))?;
    // If a step fails, the device stays open: close(2) can hang, too, and the failure must not wait for that.
    let image = ManuallyDrop::new(image);
    let from = WatchedDevices::new(&*image, &at.nodes);
    let mut seal = clock.step(Step::Seal, || begin_seal(machine, &image, devices.tree.as_deref(), &config, &watch))?;
    let report = match tpm {
        BootTpm::Measured(mut tpm) => {
            let active = clock.step(Step::Banks, || tpm.banks(config.pcr))?;
            log.knows(&active);
            let banks = measurement::with_rtmr_bank(&mut *tpm, &active);
            let hash = || hash(machine, &image, &config, &banks, &mut seal, &watch);
            let digests = watch.step(&mut clock, Step::Hash, &from, hash)?;
            let claim = claim(&image, &seal, &config);
            let report = clock.step(Step::Extend, || log.measured(&mut *tpm, config.pcr, &digests, claim))?;
            warn_if_used("TPM", config.pcr, report.banks.values().map(|extension| &extension.before));
            report
        }
        BootTpm::Unmeasured(mut tpm) => {
            say::warn!("THE ROOT IMAGE IS NOT MEASURED: the command line says measureroot=off");
            let claim = claim(&image, &seal, &config);
            clock.step(Step::Extend, || unmeasured(tpm.as_deref_mut(), &config, claim, log))?
        }
    };
    // They had the time of the hash.
    finish_modules(machine, &mut clock)?;
    let sealed = clock.step(Step::Seal, || seal.finish())?;
    let from = match &devices.tree {
        Some(tree) => WatchedDevices::new(
            format_args!("{} or {}", *image, tree.display()),
            &[at.nodes, vec![tree.clone()]].concat(),
        ),
        None => from,
    };
    let kind = watch.step(&mut clock, Step::MountImage, &from, || machine.mount_image(&image, &sealed, &config))?;
    let mut status = Status::new(&report, &image, kind, &sealed, &config);
    watch.during(Step::MountImage, &from, || drop((ManuallyDrop::into_inner(image), sealed)));
    status.overlay_has(watch.step(&mut clock, Step::Overlay, &from, || machine.mount_overlay(&config))?);
    let init = watch.step(&mut clock, Step::Init, &from, || machine.find_init(&config))?;
    clock.step(Step::Log, || machine.write_log(log))?;
    status.finish(&clock);
    watch.step(&mut clock, Step::Status, &from, || machine.write_status(&status))?;
    watch.step(&mut clock, Step::MoveMounts, &from, || machine.move_mounts())?;
    watch.step(&mut clock, Step::SwitchRoot, &from, || machine.switch_root(&report))?;
    say::info!("{status}");
    clock.step(Step::Init, || machine.exec(&init))
}

fn finish_modules(machine: &mut dyn Machine, clock: &mut Clock) -> std::result::Result<(), Failure> {
    clock.step(Step::Modules, || machine.finish_modules())
}

/// The TPM that the boot extends, with the RTMRs of a confidential machine, or these alone.
enum BootTpm {
    /// A measured boot needs a TPM or an RTMR.
    Measured(Box<dyn Pcrs>),
    /// With `measureroot=off` the boot needs none. If there is one, its PCR is extended with the digest of a fixed text.
    Unmeasured(Option<Box<dyn Pcrs>>),
}

fn find_tpm(machine: &mut dyn Machine, config: &Config) -> Result<BootTpm> {
    if !config.measured {
        let rtmrs = machine.rtmrs(RtmrRequest::Unmeasured(config.rtmr))?;
        let tpm = machine.tpm_of_unmeasured(config.tpm_request())?;
        return Ok(BootTpm::Unmeasured(WithRtmrs::join(tpm, rtmrs)));
    }
    let rtmrs = machine.rtmrs(RtmrRequest::Measured(config.rtmr))?;
    let needs_tpm = rtmrs.is_empty() || config.tpm != TpmChoice::Any;
    let tpm = if needs_tpm {
        machine.tpm(config.tpm_request())?
    } else {
        // A TPM that the firmware names must appear here, too: it would stay clean.
        machine.tpm_of_unmeasured(config.tpm_request())?
    };
    let is_enough = tpm.is_some() || !needs_tpm;
    WithRtmrs::join(tpm, rtmrs).filter(|_| is_enough).map(BootTpm::Measured).ok_or_else(|| {
        Error::new("TPM", format!("none appeared in {} s", config.timeout.as_secs()))
            .hint("is it switched on in the firmware, and its driver in the kernel or the initramfs? what does the driver log?")
    })
}

/// Marks an unmeasured boot in the PCR that the command line names, and before that in the default PCR: a verifier of other
/// machines reads that one, and the booted system could extend it with the digest of any image.
fn unmeasured(
    mut tpm: Option<&mut (dyn Pcrs + 'static)>,
    config: &Config,
    claim: Claim,
    log: &mut Recorder,
) -> Result<Report> {
    if config.pcr != PcrIndex::DEFAULT {
        log.unmeasured(tpm.as_deref_mut().map(|tpm| tpm as _), PcrIndex::DEFAULT, claim.clone())?;
    }
    log.unmeasured(tpm.map(|tpm| tpm as _), config.pcr, claim)
}

fn begin_seal(
    machine: &mut dyn Machine,
    image: &Image,
    tree: Option<&Path>,
    config: &Config,
    watch: &DeviceWatch,
) -> Result<SealBuilder> {
    let conditions = machine.seal_conditions(image)?;
    if let Some(roothash) = &config.roothash {
        conditions.require_verity()?;
        let device = match tree {
            Some(tree) => WatchedDevices::new(tree.display(), &[tree.to_owned()]),
            None => WatchedDevices::new(image, &[image.place.node().to_owned()]),
        };
        let find = || machine.find_tree(image, roothash, tree);
        return watch.during(Step::Seal, &device, find).map(SealBuilder::Prepared);
    }
    let kind = choice::decide(config.seal, conditions)?;
    match kind {
        SealKind::None if config.measured => {
            say::warn!(
                "measureroot.seal=none: later reads are not checked: the medium may answer a second read differently"
            );
        }
        _ => say::info!("seal: {kind}"),
    }
    SealBuilder::begin(kind, conditions.bytes, conditions.block)
}

fn hash(
    machine: &mut dyn Machine,
    image: &Image,
    config: &Config,
    banks: &[Bank],
    seal: &mut SealBuilder,
    watch: &DeviceWatch,
) -> Result<Digests> {
    if let Some(roothash) = &config.roothash {
        return Ok(image_digest::of_root_hash(&roothash.hash, banks));
    }
    let name = image.to_string();
    let progress = &mut |done| {
        machine.progress(Amount { done, total: image.bytes });
        watch.progress();
    };
    let &Image { ref file, bytes, opened_bytes, .. } = image;
    image_digest::of_image(ImageBytes { file, name: &name, bytes, opened_bytes }, banks, seal.tee(), progress)
        .map(|digests| config.format.of(digests))
}

/// The event in the log, apart from its digests.
fn claim(image: &Image, seal: &SealBuilder, config: &Config) -> Claim {
    let event = match config {
        Config { measured: false, .. } => EventKind::Unmeasured,
        Config { roothash: Some(_), .. } => EventKind::Roothash,
        _ => EventKind::Image,
    };
    let (bytes, root_hash) = match seal {
        SealBuilder::Prepared(tree) => (tree.shape.data_bytes(), Some(hex::encode(tree.root_hash))),
        _ => (image.bytes, None),
    };
    let (image, seal) = (Some(image.to_string()), Some(seal.name().to_owned()));
    // The event of an image in the plain format names no format, as in the versions before there were formats.
    let format = Some(config.format).filter(|format| event == EventKind::Image && *format != ImageFormat::Plain);
    Claim { image, bytes: Some(bytes), format, seal, root_hash, ..Claim::new(event) }
}
