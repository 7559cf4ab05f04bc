//! The options that predict what is measured before the agent.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;

use super::boot::Boot;
use super::disk::ReadDisk;
use super::folder::Folder;
use super::program_file::{name, program};
use super::start::Start;
use super::tboot::DynamicLaunch;
use crate::chain::esp::Esp;
use crate::chain::kernel::{Given, Kernel, Named};
use crate::chain::uki::Uki;
use crate::chain::volume::{BootOption, Places};
use crate::error::Result;
use crate::hash::bank::Bank;

/// What the firmware starts, and what it gives to it.
#[derive(Debug, Args)]
pub(super) struct Chain {
    /// A unified kernel image with systemd's stub, which the firmware starts: predict what is measured before the agent.
    #[arg(long, value_name = "FILE", group = "start")]
    uki: Option<PathBuf>,
    /// A kernel with an EFI stub, which the firmware starts: predict what is measured before the agent.
    #[arg(long, value_name = "FILE", group = "start")]
    kernel: Option<PathBuf>,
    /// A folder with the files of an EFI system partition, of which firmware starts EFI/BOOT/BOOTX64.EFI: predict what is measured
    /// before the agent, for each entry of systemd-boot's menu.
    #[arg(long, value_name = "FOLDER", group = "start")]
    esp: Option<PathBuf>,
    /// A disk: an image file, or a block device. Predict what is measured before the agent, for each boot that its EFI system partitions
    /// have.
    #[arg(long, value_name = "FILE", group = "start")]
    disk: Option<PathBuf>,
    /// The program on the partition that firmware starts, with / or \ between the parts of its path [default: EFI/BOOT/BOOTX64.EFI, or
    /// that of another architecture].
    // clap ignores `requires` if a conflict excludes what is required.
    #[arg(long, value_name = "PATH", requires = "start", conflicts_with_all = ["uki", "kernel"])]
    boot: Option<String>,
    /// An initrd that LoadFile2 hands to the kernel, or a module after the kernel with --tboot; may be given more than once, for files one behind the other [default: none].
    // The same.
    #[arg(long = "initrd", value_name = "FILE", requires = "kernel", conflicts_with_all = ["uki", "esp", "disk"])]
    initrds: Vec<PathBuf>,
    /// The command line that the firmware's boot option gives to what it starts, a unified kernel image or a kernel; with --tboot, that of the kernel [default: none].
    #[arg(long, value_name = "WORDS", requires = "start")]
    append: Option<String>,
    #[command(flatten)]
    tboot: DynamicLaunch,
}

impl Chain {
    /// Whether the user names something that firmware starts.
    pub(super) fn is_given(&self) -> bool {
        self.uki.is_some() || self.kernel.is_some() || self.esp.is_some() || self.disk.is_some()
    }

    /// Checks what clap cannot.
    ///
    /// # Errors
    /// If the arguments contradict each other, whatever the files hold.
    pub(super) fn check(&self, banks: &[Bank]) -> Result<()> {
        self.tboot.check(banks)
    }

    /// The command line from outside.
    pub(super) fn append(&self) -> Option<&str> {
        self.append.as_deref()
    }

    /// The boot option of a partition's program.
    fn option(&self) -> BootOption<'_> {
        BootOption { program: self.boot.as_deref(), append: self.append() }
    }

    /// The disk.
    pub(super) fn disk(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// Reads the files and predicts. `disk` is the open disk, if the user names one. `None` if the user names nothing that firmware starts.
    pub(super) fn boots(&self, disk: Option<&ReadDisk<'_>>, banks: &[Bank]) -> Result<Option<(Start, Vec<Boot>)>> {
        if let Some(kernel) = self.kernel.as_deref().filter(|_| self.tboot.is_given()) {
            return self.tboot.boots(kernel, self.append(), &self.initrds, banks);
        }
        match (&self.uki, &self.kernel, &self.esp, disk) {
            (Some(path), ..) => self.uki(path, banks).map(Some),
            (_, Some(path), ..) => self.kernel(path, banks).map(Some),
            (_, _, Some(path), _) => self.esp(path, banks).map(Some),
            (.., Some(disk)) => disk.boots(self.option(), banks).map(Some),
            (None, None, None, None) => Ok(None),
        }
    }

    fn uki(&self, path: &Path, banks: &[Bank]) -> Result<(Start, Vec<Boot>)> {
        let (name, bytes) = (name(path), program(path)?);
        let uki = Uki::parse(&name, &bytes)?;
        let forecasts = uki.forecasts(self.append(), banks)?;
        let stub = uki.stub().to_string();
        Ok((Start::Uki { uki: name, stub }, vec![Boot { entry: None, forecasts, root: None }]))
    }

    fn kernel(&self, path: &Path, banks: &[Bank]) -> Result<(Start, Vec<Boot>)> {
        let (kernel_name, bytes) = (name(path), program(path)?);
        let kernel = Kernel::parse(&kernel_name, &bytes)?;
        let read = |path: &PathBuf| Ok(Named { name: name(path), bytes: Cow::Owned(program(path)?) });
        let initrds = self.initrds.iter().map(read).collect::<Result<Vec<_>>>()?;
        let given = Given { command_line: self.append(), initrds: &initrds, ..Given::default() };
        let forecasts = kernel.forecasts(&given, banks)?;
        let initrds = initrds.into_iter().map(|initrd| initrd.name).collect();
        let linux = kernel.linux().to_string();
        Ok((Start::Kernel { kernel: kernel_name, linux, initrds }, vec![Boot { entry: None, forecasts, root: None }]))
    }

    fn esp(&self, path: &Path, banks: &[Bank]) -> Result<(Start, Vec<Boot>)> {
        let folder = Folder::new(path);
        let places = Places { own: &folder, disk: &[], option: self.option() };
        let esp = Esp::at(&places, banks).map_err(|error| error.on(path.display()))?;
        folder.check_unchanged()?;
        let boots = esp.entries.into_iter().map(|entry| Boot::of(entry, None)).collect();
        Ok((Start::Esp { esp: path.display().to_string(), loader: esp.loader, notes: esp.notes }, boots))
    }
}
