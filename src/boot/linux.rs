//! The machine itself: what the boot asks for, done with Linux.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};
use sys_mount::MountFlags;

use crate::boot::firmware_log;
use crate::boot::machine::{Machine, RootDevices};
use crate::boot::status::Status;
use crate::config::Config;
use crate::config::failure_policy::FailureAction;
use crate::console::logger;
use crate::console::progress::{Amount, Progress, Style};
use crate::error::{Context, Error, Result};
use crate::eventlog::Recorder;
use crate::eventlog::journal::Journal;
use crate::measure::measurement::Report;
use crate::measure::pcr::Pcrs;
use crate::measure::session::SessionChoice;
use crate::media::device_name::DeviceName;
use crate::media::devices::Devices;
use crate::media::image::{Content, Found, Image, ImagePlace};
use crate::media::image_device;
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::image_source::ImageSource;
use crate::media::medium;
use crate::media::rootflags::RootFlags;
use crate::media::search;
use crate::media::superblock::FileSystem;
use crate::media::wait::Wait;
use crate::root::overlay;
use crate::root::switch_root;
use crate::seal::choice::{self, Means};
use crate::seal::dm_verity;
use crate::seal::prepared_root_hash::RootHash;
use crate::seal::prepared_tree::{self, Tree};
use crate::seal::sealing::Sealed;
use crate::sys::block_device;
use crate::sys::loop_device;
use crate::sys::modules;
use crate::sys::mounts::{self, Mount};
use crate::sys::random::random;
use crate::tpm::EsysPcrs;

/// The machine we are PID 1 of.
pub struct Linux {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    devices: Devices,
    progress: Option<(Style, Progress)>,
}

impl Linux {
    /// `arguments` and `environment` are what the kernel gave, for the new init; nothing here reads them.
    #[must_use]
    pub fn new(arguments: Vec<CString>, environment: Vec<CString>) -> Self {
        Self { arguments, environment, devices: Devices::default(), progress: None }
    }

    fn wait_for(&self, name: &DeviceName, wait: Wait) -> Result<PathBuf> {
        if let Some(node) = wait.until_found(|| self.devices.find(name))? {
            log::info!("{name}: found at {}", node.display());
            return Ok(node);
        }
        let there = self.devices.describe_all()?;
        Err(Error::new(name, format!("did not appear in {} s", wait.seconds()))
            .hint(format!("block devices there are: {there}; is its driver in the kernel or the initramfs?")))
    }
}

/// What the kernel calls the key it salts its own sessions with (Linux 6.10, CONFIG_TCG_TPM2_HMAC); ours is the same one.
fn null_name() -> Result<Option<String>> {
    let path = "/sys/class/tpm/tpm0/null_name";
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        name => name.map(Some).about(path),
    }
}

impl Machine for Linux {
    fn mount_kernel_filesystems(&mut self) -> Result<()> {
        // Who starts us as PID 1 after work of their own may have mounted some of them.
        let missing = mounts::kernel_filesystems().into_iter().filter(|mount| !mounts::is_mountpoint(&mount.target));
        missing.collect::<Vec<_>>().iter().try_for_each(Mount::apply)?;
        logger::unlimit();
        Ok(())
    }

    fn command_line(&mut self) -> Result<Vec<u8>> {
        use std::io::Read;
        let path = "/proc/cmdline";
        let mut line = Vec::new();
        let limit = crate::cmdline::tokens::MAX_LEN as u64 + 1;
        fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut line)).about(path)?;
        if line.len() > crate::cmdline::tokens::MAX_LEN {
            return Err(Error::new(path, format!("longer than {} bytes", crate::cmdline::tokens::MAX_LEN)));
        }
        Ok(line)
    }

    fn load_modules(&mut self, config: &Config) -> Result<()> {
        if config.debug {
            log::set_max_level(log::LevelFilter::Debug);
        }
        let kernel = nix::sys::utsname::uname().about("uname")?;
        let folder = Path::new("/lib/modules").join(kernel.release());
        modules::load_all(&folder, &config.module_parameters)
    }

    fn tpm(&mut self, patience: Duration, session: SessionChoice) -> Result<Option<Box<dyn Pcrs>>> {
        // A TPM 2.0 has a node with the kernel's resource manager, which a TPM 1.2 lacks. It is not used: a session would be
        // saved and loaded again around each command, which is 18 more of them.
        let (managed, node) = (Path::new("/dev/tpmrm0"), Path::new("/dev/tpm0"));
        let version = "/sys/class/tpm/tpm0/tpm_version_major";
        let found = Wait::at_most(patience).until_found(|| {
            if fs::read_to_string(version).is_ok_and(|version| version.trim() == "1") {
                return Err(Error::new(node.display(), "is a TPM 1.2").hint("measureroot needs a TPM 2.0"));
            }
            Ok(managed.exists().then_some(()))
        })?;
        if found.is_none() {
            return Ok(None);
        }
        if session != SessionChoice::None {
            // It takes some, and would wait for them without an end.
            random(patience)?;
        }
        Ok(Some(Box::new(EsysPcrs::open(node)?.protected(session, null_name()?)?)))
    }

    fn wait_for_root(&mut self, config: &Config) -> Result<RootDevices> {
        let wait = config.root_wait;
        let image = match &config.source {
            ImageSource::Device(name) => ImageLocation::Device(self.wait_for(name, wait)?),
            ImageSource::File(name, path) => {
                ImageLocation::File { node: self.wait_for(name, wait)?, path: path.clone() }
            }
            // Any device may be the one: the search itself waits.
            ImageSource::Search(path) => ImageLocation::AnyDevice { path: path.clone() },
        };
        let tree = config.roothash.as_ref().and_then(|roothash| roothash.tree.as_ref());
        let tree = tree.map(|name| self.wait_for(name, wait.without_delay())).transpose()?;
        Ok(RootDevices { image, tree })
    }

    fn find_image(&mut self, location: &ImageLocation, request: ImageRequest) -> Result<Image> {
        match location {
            ImageLocation::Device(node) => image_device::open(node, request),
            ImageLocation::File { node, path } => {
                medium::find_image(node, Found::Named, path, request)?.ok_or_else(|| {
                    Error::new(format!("/{path} on {}", node.display()), "no such file")
                        .hint("rootimg= names it from the top")
                })
            }
            ImageLocation::AnyDevice { path } => search::find_image(&self.devices, path, request),
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
            (Some(line), Style::Log) => log::info!("{line}"),
            (None, _) => {}
        }
    }

    fn means(&mut self, image: &Image) -> Result<Means> {
        let sector = match image.place {
            ImagePlace::Device(_) => block_device::sector_size(&image.file, &image.to_string())?,
            // It becomes a loop device.
            ImagePlace::File { .. } => loop_device::SECTOR.into(),
        };
        let block = match &image.content {
            Content::Plain(superblock) => superblock.block,
            // The superblock of its tree says that.
            Content::Prepared => 0,
        };
        let (verity, memory) = (dm_verity::has_verity(), choice::available_memory()?);
        Ok(Means { bytes: image.bytes, block, sector, verity, memory })
    }

    fn mount_image(&mut self, image: &Image, sealed: &Sealed, config: &Config) -> Result<FileSystem> {
        // The devices must stay open until the mount uses them.
        let mut devices = Vec::new();
        let node = sealed.device(image, config.on_corrupt, &mut devices)?;
        // With rootimg=, rootflags= and rootfstype= are for the medium.
        let (options, fstypes) = match image.place {
            ImagePlace::Device(_) => (config.flags.clone(), config.fstypes.as_slice()),
            ImagePlace::File { .. } => (RootFlags::default(), [].as_slice()),
        };
        let kind = match (&image.content, sealed) {
            (Content::Plain(superblock), _) => superblock.kind,
            (Content::Prepared, Sealed::Prepared(tree)) => prepared_tree::superblock(&node, &tree.shape, fstypes)?.kind,
            (Content::Prepared, _) => return Err(Error::new(image, "nothing checks what is read of it")),
        };
        options.read_only_mount(kind, &node, overlay::LOWER, MountFlags::empty()).apply()?;
        Ok(kind)
    }

    fn mount_overlay(&mut self, config: &Config) -> Result<()> {
        overlay::mount(&config.overlay_size, config.writable)
    }

    fn find_init(&mut self, config: &Config) -> Result<String> {
        switch_root::find_init(Path::new(overlay::ROOT), config.init.as_deref())
    }

    fn write_log(&mut self, log: &mut Recorder) -> Result<()> {
        // Where there is no TPM nothing happened to it.
        let Some(banks) = log.banks() else { return Ok(()) };
        log.write_to(Journal::create(Path::new("/run"), &banks, firmware_log::open()?)?)
    }

    fn write_status(&mut self, status: &Status) -> Result<()> {
        status.write(Path::new("/run/measureroot"))
    }

    fn move_mounts(&mut self) -> Result<()> {
        switch_root::move_mounts(overlay::ROOT)
    }

    fn switch_root(&mut self, report: &Report) -> Result<()> {
        switch_root::enter(overlay::ROOT, report)
    }

    fn exec(&mut self, init: &str) -> Result<Infallible> {
        switch_root::exec(init, &self.arguments, &self.environment)
    }

    fn pause(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => std::thread::sleep(time),
            None => loop {
                std::thread::park();
            },
        }
    }

    fn stop(&mut self, action: FailureAction) {
        let mode = match action {
            FailureAction::Reboot => RebootMode::RB_AUTOBOOT,
            FailureAction::PowerOff => RebootMode::RB_POWER_OFF,
            FailureAction::Halt => RebootMode::RB_HALT_SYSTEM,
        };
        let Err(error) = reboot(mode);
        log::error!("reboot(2): {error}");
    }
}
