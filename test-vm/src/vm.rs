//! A virtual machine as a scenario wants it, before it runs.

use crate::accel::Accel;
use crate::board::Board;
use crate::machine::Machine;
use crate::{Bank, Failed, Guest, Image, Kernel, LyingDisk, Result, StandaloneTpm};
use std::path::PathBuf;
use std::time::Duration;

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: /dev/vda, /dev/vdb, ...
    Virtio,
    /// The same with sectors of 4096 bytes.
    Virtio4096,
    /// A SCSI CD-ROM: /dev/sr0.
    CdRom,
    /// A SATA CD-ROM: /dev/sr0.
    SataCdRom,
    /// NVMe: /dev/nvme0n1.
    Nvme,
    /// A SATA disk: /dev/sda.
    Sata,
    /// A memory stick on USB 3: /dev/sda.
    Usb,
    /// virtio-blk too, served by an NBD server at this socket instead of a file.
    Nbd,
}

/// What finds the boot loader on the first disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// A machine to be started. What is written to its disks is lost with it.
#[derive(Clone, Debug)]
pub struct Vm {
    pub(crate) kernel: Kernel,
    pub(crate) firmware: Option<Firmware>,
    pub(crate) initramfs: Option<PathBuf>,
    cmdline: String,
    bare: bool,
    pub(crate) disks: Vec<(PathBuf, Bus)>,
    pub(crate) banks: Vec<Bank>,
    pub(crate) tpm: Option<PathBuf>,
    pub(crate) memory_mib: u32,
    pub(crate) limit: Duration,
    pub(crate) accel: Option<Accel>,
    pub(crate) shown: bool,
}

impl Vm {
    /// Debian's 6.1 kernel, a TPM with every bank, no disk, and a boot that switches off when it fails.
    #[must_use]
    pub fn new(parameters: &str) -> Self {
        Self {
            kernel: Kernel::V6_1,
            firmware: None,
            initramfs: None,
            cmdline: parameters.to_owned(),
            bare: false,
            disks: Vec::new(),
            banks: Bank::ALL.into(),
            tpm: None,
            memory_mib: 512,
            limit: Duration::from_mins(2),
            accel: None,
            shown: false,
        }
    }

    /// UEFI firmware, a TPM with every bank, and no disk; kernel, initramfs and command line are what is on the disks.
    #[must_use]
    pub fn uefi() -> Self {
        Self::started_by(Firmware::Uefi)
    }

    /// The same with this firmware.
    #[must_use]
    pub fn started_by(firmware: Firmware) -> Self {
        Self { firmware: Some(firmware), ..Self::new("") }
    }

    /// One more parameter on the command line.
    #[must_use]
    pub fn with(mut self, parameter: &str) -> Self {
        self.cmdline = format!("{} {parameter}", self.cmdline);
        self
    }

    /// Adds a disk.
    #[must_use]
    pub fn disk(self, image: &Image) -> Self {
        self.disk_on(Bus::Virtio, image)
    }

    /// Adds a disk on this bus.
    #[must_use]
    pub fn disk_on(mut self, bus: Bus, image: &Image) -> Self {
        self.disks.push((image.path().to_owned(), bus));
        self
    }

    /// Adds a file as a disk on this bus.
    #[must_use]
    pub fn disk_file(mut self, bus: Bus, file: PathBuf) -> Self {
        self.disks.push((file, bus));
        self
    }

    /// Without the disks it has up to now.
    #[must_use]
    pub fn without_disks(mut self) -> Self {
        self.disks.clear();
        self
    }

    /// Adds a virtio disk that lies.
    #[must_use]
    pub fn lying_disk(mut self, disk: &LyingDisk) -> Self {
        self.disks.push((disk.socket(), Bus::Nbd));
        self
    }

    /// Another kernel.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Another initramfs than the kernel's own.
    #[must_use]
    pub fn initramfs(mut self, file: PathBuf) -> Self {
        self.initramfs = Some(file);
        self
    }

    /// The TPM's active banks; none: no TPM.
    #[must_use]
    pub fn banks(mut self, banks: &[Bank]) -> Self {
        self.banks = banks.into();
        self
    }

    /// A copy of this TPM, with the banks it has.
    #[must_use]
    pub fn tpm(mut self, tpm: &StandaloneTpm) -> Self {
        self.tpm = Some(tpm.state().to_owned());
        self
    }

    /// Exactly this command line, without the harness' own parameters.
    #[must_use]
    pub fn cmdline(mut self, cmdline: &str) -> Self {
        cmdline.clone_into(&mut self.cmdline);
        self.bare = true;
        self
    }

    /// What the kernel is given on this board.
    pub(crate) fn whole_cmdline(&self, board: &Board) -> String {
        if self.bare {
            return self.cmdline.clone();
        }
        format!("console={} panic=1 measureroot.onfail=poweroff {}", board.console, self.cmdline)
    }

    /// Room and time for a whole distribution.
    #[must_use]
    pub fn large(mut self) -> Self {
        self.memory_mib = 1024;
        self.limit = Duration::from_mins(5);
        self
    }

    /// Shows the guest's console on standard output.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// This accelerator, instead of the one that was found to work.
    #[must_use]
    pub fn accel(mut self, accel: Accel, limit: Duration) -> Self {
        self.accel = Some(accel);
        self.limit = limit;
        self
    }

    /// Starts it.
    pub fn start(&self) -> Result<Machine> {
        Machine::start(self)
    }

    /// Starts it and waits for the probe in the booted root.
    pub fn boots(&self) -> Result<Guest> {
        self.start()?.booted()
    }

    /// Starts it and waits for measureroot to end the boot.
    pub fn fails(&self) -> Result<Failed> {
        self.start()?.failed()
    }
}
