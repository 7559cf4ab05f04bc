//! The real machine: each step of the boot, done with Linux.

use std::convert::Infallible;
use std::fmt::Display;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sys_mount::MountFlags;

use crate::boot::device_io;
use crate::boot::device_watch::DeviceWatch;
use crate::boot::fail::fail;
use crate::boot::firmware_log;
use crate::boot::machine::Machine;
use crate::boot::panic_hook;
use crate::boot::power::{LinuxPower, Power};
use crate::boot::root_devices::RootDevices;
use crate::boot::rtmr_device::{self, RtmrRequest};
use crate::boot::status::Status;
use crate::boot::tpm_device;
use crate::cmdline::{self, tokens::MAX_LEN};
use crate::config::Config;
use crate::config::failure_policy::FailurePolicy;
use crate::config::module_choice::ModuleChoice;
use crate::console::logger;
use crate::console::progress::{Amount, Progress, Style};
use crate::error::{Context, Error, Result};
use crate::eventlog::Recorder;
use crate::eventlog::journal::Journal;
use crate::measure::measurement::Report;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::media::devices::Devices;
use crate::media::image::{Content, Image, ImagePlace};
use crate::media::image_device;
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::medium::{self, Medium};
use crate::media::rootflags::{Replay, RootFlags};
use crate::media::search;
use crate::media::superblock::FileSystem;
use crate::media::wait::Wait;
use crate::root::init_arguments::InitArguments;
use crate::root::overlay;
use crate::root::selinux_label;
use crate::root::stub_files;
use crate::root::switch_root;
use crate::say;
use crate::seal::choice::SealConditions;
use crate::seal::prepared_root_hash::RootHash;
use crate::seal::prepared_tree::{self, Tree};
use crate::seal::sealed_image::SealedImage;
use crate::seal::verity_device;
use crate::sys::block_device;
use crate::sys::file_system_modules;
use crate::sys::loop_device;
use crate::sys::memory;
use crate::sys::modules::{self, Broken, LIMIT_TO_MARK, Loaded, Loading, SHORTEST_LIMIT, Which};
use crate::sys::mounts::{self, Mount};
use crate::sys::signals;
use crate::sys::sysctl::Sysctl;
use crate::sys::sysrq;
use crate::tpm::TpmRequest;

/// The machine that this program is PID 1 of.
pub(super) struct Linux {
    for_init: InitArguments,
    devices: Devices,
    modules: Loaded,
    /// The modules of the file systems of the image and the overlay.
    file_systems: Loaded,
    /// Whether the modules are loaded that this machine needs.
    has_modules: bool,
    progress: Option<(Style, Progress)>,
    /// How long the driver of one module may take.
    module_limit: Duration,
    /// Parameters of the kernel that have their old value again before the init starts.
    changed: Vec<Sysctl>,
}

/// What is healthy and was plugged in before the machine started is there by then, also a USB stick.
const SOON: Duration = Duration::from_secs(2);

impl Linux {
    /// `for_init` is handed to the new init; nothing else reads it.
    #[must_use]
    pub(super) fn new(for_init: InitArguments) -> Self {
        Self {
            for_init,
            devices: Devices::default(),
            modules: Loaded::default(),
            file_systems: Loaded::default(),
            has_modules: false,
            progress: None,
            module_limit: SHORTEST_LIMIT,
            changed: Vec::new(),
        }
    }

    /// The same machine for a thread that ends the boot: the other value of this type is out of its reach. `has_modules` says whether
    /// the modules are loaded.
    #[must_use]
    pub(super) fn in_another_thread(has_modules: bool) -> Self {
        Self { has_modules, ..Self::new(InitArguments::new(std::iter::empty(), Vec::new())) }
    }

    /// Loads modules of this kernel.
    fn load(&mut self, which: Which, choice: &ModuleChoice, broken: Broken, limit: Duration) -> Result<()> {
        let ModuleChoice { parameters, forbidden, wanted } = choice;
        let loading = Loading { folder: &modules_folder()?, parameters, forbidden, wanted, broken, limit };
        file_system_modules::remember(&loading);
        loading.load(which, &mut self.modules)
    }

    /// Whether the kernel has dm-verity, or has it in a moment. If its module fails then, the boot fails when it mounts the image.
    fn has_verity(&mut self) -> Result<bool> {
        if verity_device::has_hash() && self.modules.is_under_way(verity_device::MODULE) {
            return Ok(true);
        }
        self.finish_modules()?;
        Ok(verity_device::is_supported())
    }

    /// Loads the modules that this machine seemed not to need, because something has not appeared: a driver may be for devices that
    /// no list of aliases names, and a device may have been plugged in since.
    fn load_others(&mut self, absent: &dyn Display) -> Result<()> {
        say::info!("the other modules are loaded, too: {absent}");
        self.modules.has_others = false;
        let (choice, limit) = (ModuleChoice::of(&cmdline::parse(&command_line()?)), self.module_limit);
        self.load(Which::All, &choice, Broken::EndsTheBoot, limit)
    }

    /// If no TPM appears soon, loads the other modules.
    fn load_for_the_tpm(&mut self, request: TpmRequest) -> Result<()> {
        if self.modules.has_others && !tpm_device::appears(request.version, SOON)? {
            self.load_others(&"no TPM")?;
        }
        Ok(())
    }

    /// Looks for something for a short time. If it does not appear, loads the other modules and looks for the whole time.
    fn look<T>(&mut self, wait: Wait, look: impl Fn(&Devices, Wait) -> Result<T>) -> Result<T> {
        if !self.modules.has_others {
            return look(&self.devices, wait);
        }
        let limit = Some(wait.limit.map_or(SOON, |limit| limit.min(SOON)));
        match look(&self.devices, Wait { limit, ..wait }) {
            Err(absent) => self.load_others(&absent)?,
            found => return found,
        }
        look(&self.devices, wait.without_delay())
    }
}

/// The folder of this kernel's modules in the initramfs.
fn modules_folder() -> Result<PathBuf> {
    Ok(Path::new("/lib/modules").join(nix::sys::utsname::uname().about("uname")?.release()))
}

fn command_line() -> Result<Vec<u8>> {
    let path = "/proc/cmdline";
    let mut line = Vec::new();
    let limit = MAX_LEN as u64 + 1;
    fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut line)).about(path)?;
    if line.len() > MAX_LEN {
        return Err(Error::new(path, format!("longer than {MAX_LEN} bytes")));
    }
    Ok(line)
}

impl Machine for Linux {
    fn mount_kernel_filesystems(&mut self) -> Result<()> {
        // Another initramfs can start this program as PID 1 after it has mounted some of them.
        let missing = mounts::kernel_filesystems().into_iter().filter(|mount| !mounts::is_mountpoint(&mount.target));
        let mounted = missing.collect::<Vec<_>>().iter().try_for_each(Mount::apply);
        sysrq::remember();
        // Even if only /dev could be mounted: the failure must be marked.
        tpm_device::remember_folders()?;
        mounted?;
        self.changed.extend(logger::unlimit());
        Ok(())
    }

    fn expect_failure(&mut self, policy: &FailurePolicy) {
        panic_hook::obey(*policy);
        // Without memory the kernel panics, because it cannot end PID 1. The machine must not stand still then.
        self.changed.extend(Sysctl::set("/proc/sys/kernel/panic", &policy.kernel_panic().to_string()));
    }

    fn check_initramfs(&mut self) -> Result<()> {
        switch_root::check_initramfs()
    }

    fn command_line(&mut self) -> Result<Vec<u8>> {
        let line = command_line()?;
        self.for_init.remove(&cmdline::parse(&line));
        Ok(line)
    }

    fn load_modules(&mut self, config: &Config) -> Result<()> {
        if config.debug {
            log::set_max_level(log::LevelFilter::Debug);
        }
        // What holds up a driver is a device that does not answer.
        self.module_limit = config.read_limit.max(SHORTEST_LIMIT);
        self.load(Which::Needed, &config.modules, Broken::EndsTheBoot, self.module_limit)?;
        self.has_modules = true;
        Ok(())
    }

    fn finish_modules(&mut self) -> Result<()> {
        modules::finish(&modules_folder()?, self.module_limit, &mut self.modules)?;
        // What is missing of these is an error when the file system is mounted.
        file_system_modules::finish(&mut self.file_systems);
        Ok(())
    }

    fn load_modules_to_mark(&mut self) {
        if self.has_modules {
            return;
        }
        // The command line may be the very thing that is broken: no other part of it is read.
        let choice = ModuleChoice::of(&cmdline::parse(&command_line().unwrap_or_default()));
        if let Err(error) = self.load(Which::All, &choice, Broken::IsLeftOut, LIMIT_TO_MARK) {
            say::warn!("{error}");
        }
    }

    fn modules_left_out(&self) -> Option<String> {
        self.modules.left_out.describe()
    }

    fn tpm(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        self.load_for_the_tpm(request)?;
        tpm_device::open(request)
    }

    fn tpm_of_unmeasured(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        self.load_for_the_tpm(request)?;
        tpm_device::open_unmeasured(request)
    }

    fn tpm_to_mark(&mut self, request: TpmRequest) -> Result<Option<Box<dyn Pcrs>>> {
        tpm_device::open_to_mark(request)
    }

    fn rtmrs(&mut self, request: RtmrRequest) -> Result<Vec<Rtmr>> {
        rtmr_device::open(request)
    }

    fn wait_for_root(&mut self, config: &Config) -> Result<RootDevices> {
        self.look(config.root_wait, |devices, wait| RootDevices::wait(devices, config, wait))
    }

    fn search(&mut self, path: &str, request: ImageRequest) -> Result<ImageLocation> {
        self.look(request.wait, |devices, wait| search::find_image(devices, path, ImageRequest { wait, ..request }))
    }

    fn watch(&mut self, limit: Duration, policy: FailurePolicy) -> Result<DeviceWatch> {
        let (has_modules, devices) = (self.has_modules, self.devices.clone());
        let count = move |nodes: &[PathBuf]| device_io::completed(&devices, nodes);
        DeviceWatch::start(limit, Box::new(count), move |failure| {
            fail(&mut Self::in_another_thread(has_modules), &policy, &mut Recorder::default(), failure);
            // If the machine could not be stopped, the kernel panics as soon as no thread hangs any more.
            std::process::exit(1);
        })
    }

    fn find_image(&mut self, location: &ImageLocation, request: ImageRequest) -> Result<Image> {
        match location {
            ImageLocation::Device(node) => image_device::open(node, request),
            ImageLocation::File { node, path, found } => Medium { node, found: *found }.open(path, request),
        }
    }

    fn find_tree(&mut self, image: &Image, roothash: &RootHash, node: Option<&Path>) -> Result<Tree> {
        prepared_tree::find_tree(image, node, roothash)
    }

    fn progress(&mut self, amount: Amount) {
        if amount.done == 0 || self.progress.is_none() {
            self.progress = logger::progress_style().map(|style| (style, Progress::new(style)));
        }
        let Some((style, progress)) = &mut self.progress else { return };
        match (progress.line(amount), style) {
            (Some(line), Style::Screen) => logger::rewrite_line(&line, amount.is_all()),
            (Some(line), Style::Log) => say::info!("{line}"),
            (None, _) => {}
        }
    }

    fn seal_conditions(&mut self, image: &Image) -> Result<SealConditions> {
        let sector = match image.place {
            ImagePlace::Device(_) => block_device::sector_size(&image.file, &image.to_string())?,
            // The file is read through a loop device.
            ImagePlace::File { .. } => loop_device::SECTOR.into(),
        };
        let mut file_systems = vec!["overlay"];
        let block = match &image.content {
            Content::Plain(superblock) => {
                file_systems.push(superblock.kind.name());
                superblock.block
            }
            // The superblock of its Merkle tree gives the block size, and its own superblock is not read before it can be checked.
            Content::Prepared => 0,
        };
        let (verity, memory) = (self.has_verity()?, memory::available()?);
        // Beside the hash.
        self.file_systems = file_system_modules::begin(&file_systems);
        Ok(SealConditions { bytes: image.bytes, block, sector, verity, memory })
    }

    fn mount_image(&mut self, image: &Image, sealed: &SealedImage, config: &Config) -> Result<FileSystem> {
        // The devices must stay open until the mount uses them.
        let mut devices = Vec::new();
        let node = sealed.device(image, config.on_corrupt, &mut devices)?;
        // If the image is a file, rootflags= and rootfstype= are for the file system that holds it.
        let (options, fstypes) = match image.place {
            ImagePlace::Device(_) => (config.flags.clone(), config.fstypes.as_slice()),
            ImagePlace::File { .. } => (RootFlags::default(), [].as_slice()),
        };
        let kind = match (&image.content, sealed) {
            (Content::Plain(superblock), _) => superblock.kind,
            (Content::Prepared, SealedImage::Prepared(tree)) => {
                prepared_tree::file_system(&node, &tree.shape, fstypes)?.kind
            }
            (Content::Prepared, _) => return Err(Error::new(image, "it has no Merkle tree to check it")),
        };
        // An image that is written is not what was measured.
        let file_system = (kind, Replay::Never);
        let mount = options.read_only_mount(file_system, &node, overlay::LOWER, MountFlags::empty())?;
        mount.apply().map_err(|error| error.on(image))?;
        if let (SealedImage::Ram(_), ImagePlace::File { .. }) = (sealed, &image.place) {
            // It may be removed from now on.
            mounts::detach(medium::TARGET)?;
        }
        Ok(kind)
    }

    fn mount_overlay(&mut self, config: &Config) -> Result<String> {
        overlay::mount(&config.overlay_size, config.writable)
    }

    fn find_init(&mut self, config: &Config) -> Result<String> {
        switch_root::find_init(Path::new(overlay::ROOT), config.init.as_deref())
    }

    fn write_log(&mut self, log: &mut Recorder) -> Result<()> {
        let (run, has_rtmrs) = (Path::new("/run"), log.has_rtmrs());
        let mut journal = match log.form() {
            Some(form) => Journal::create(run, form, firmware_log::open()?)?,
            // Without a TPM there are no events of a PCR.
            None => Journal::default(),
        };
        if has_rtmrs {
            journal = journal.with_ccel(run, firmware_log::open_ccel()?)?;
        }
        log.write_to(journal)
    }

    fn write_status(&mut self, status: &Status) -> Result<()> {
        stub_files::hand_over(Path::new("/.extra"), Path::new("/run"));
        selinux_label::restore_later(Path::new(overlay::ROOT), Path::new("/run"));
        status.write(Path::new("/run/measureroot"))
    }

    fn move_mounts(&mut self) -> Result<()> {
        switch_root::move_mounts(overlay::ROOT)
    }

    fn switch_root(&mut self, report: &Report) -> Result<()> {
        switch_root::enter(overlay::ROOT, report)
    }

    fn exec(&mut self, init: &str) -> Result<Infallible> {
        self.changed.drain(..).for_each(|parameter| parameter.restore());
        signals::reset_sigpipe()?;
        switch_root::exec(init, &self.for_init)
    }

    fn power(&self) -> Arc<dyn Power> {
        Arc::new(LinuxPower)
    }
}
