//! The description of a virtual machine, before it starts.

use crate::accel::Accel;
use crate::board::Board;
use crate::boot_option::BootOption;
use crate::machine::Machine;
use crate::{Bank, Failed, Guest, Image, Kernel, LyingDisk, Result, SealChoice, StandaloneTpm, WrappedInitramfs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: /dev/vda, /dev/vdb, ...
    Virtio,
    /// virtio-blk with sectors of 4096 bytes.
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
    /// A SCSI disk behind a controller of its own, which has this name in QEMU.
    Controller(&'static str),
    /// virtio-blk, with an NBD server at a socket instead of a file.
    Nbd,
    /// The same, but the guest can write, and QEMU can change the size.
    NbdResizable,
    /// A SCSI disk with an NBD server: /dev/sda.
    NbdScsi,
}

/// The firmware that starts the boot loader of the first disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// That of the kernel's board: OVMF, or AAVMF for arm64.
    Uefi,
    /// OVMF with Secure Boot. It accepts what [`crate::tool::signed`] signs.
    SecureBoot,
}

/// A virtual machine. All writes to its disks are lost when it ends.
#[derive(Clone, Debug)]
pub struct Vm {
    pub(crate) kernel: Kernel,
    pub(crate) firmware: Option<Firmware>,
    /// The variables of the firmware instead of its usual ones.
    pub variables: Option<PathBuf>,
    pub(crate) boot_option: Option<BootOption>,
    pub(crate) initramfs: Option<PathBuf>,
    cmdline: String,
    exact: bool,
    pub(crate) disks: Vec<(PathBuf, Bus)>,
    pub(crate) banks: Vec<Bank>,
    pub(crate) tpm: Option<PathBuf>,
    pub(crate) tpm_12: bool,
    /// A port of the host that leads to the guest's [`crate::keylime::AGENT_PORT`].
    pub(crate) agent_port: Option<u16>,
    /// The device that the TPM is connected through, instead of the board's.
    pub(crate) tpm_device: Option<&'static str>,
    pub(crate) processors: u8,
    /// What its processors lack, in QEMU's names.
    pub(crate) lacking: Vec<&'static str>,
    pub(crate) memory_mib: u32,
    pub(crate) limit: Duration,
    pub(crate) accel: Option<Accel>,
    pub(crate) shown: bool,
    /// A file with a table of ACPI.
    pub(crate) acpi_table: Option<PathBuf>,
    /// An address of the memory, and the file whose content is there.
    pub(crate) preloaded: Option<(u64, PathBuf)>,
    /// An address and a port of the network, and the program that answers there.
    pub(crate) server: Option<(String, PathBuf)>,
}

impl Vm {
    /// A machine with Debian's 6.1 kernel, a TPM with every bank, and no disk. If its boot fails, it switches off.
    #[must_use]
    pub fn new(parameters: &str) -> Self {
        Self {
            kernel: Kernel::V6_1,
            firmware: None,
            variables: None,
            boot_option: None,
            initramfs: None,
            cmdline: parameters.to_owned(),
            exact: false,
            disks: Vec::new(),
            banks: Bank::ALL.into(),
            tpm: None,
            tpm_12: false,
            agent_port: None,
            tpm_device: None,
            processors: 1,
            lacking: Vec::new(),
            memory_mib: 512,
            limit: Duration::from_secs(120),
            accel: None,
            shown: false,
            acpi_table: None,
            preloaded: None,
            server: None,
        }
    }

    /// A machine with UEFI firmware, a TPM with every bank, and no disk. Kernel, initramfs and command line come from its first
    /// disk.
    #[must_use]
    pub fn uefi() -> Self {
        Self::started_by(Firmware::Uefi)
    }

    /// The same machine with this firmware.
    #[must_use]
    pub fn started_by(firmware: Firmware) -> Self {
        Self { firmware: Some(firmware), ..Self::new("") }
    }

    /// A boot option of the firmware starts the program at this path, with these words as its command line.
    #[must_use]
    pub fn boot_option(mut self, program: &str, words: &str) -> Self {
        self.boot_option = Some(BootOption { program: program.to_owned(), words: words.to_owned() });
        self
    }

    /// Adds a parameter to the command line.
    #[must_use]
    pub fn with(mut self, parameter: &str) -> Self {
        self.cmdline = format!("{} {parameter}", self.cmdline);
        self
    }

    /// Asks for this seal.
    #[must_use]
    pub fn seal(self, seal: SealChoice) -> Self {
        self.with(seal.parameter())
    }

    /// Adds a virtio disk.
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

    /// Removes all disks.
    #[must_use]
    pub fn without_disks(mut self) -> Self {
        self.disks.clear();
        self
    }

    /// Adds a virtio disk that lies.
    #[must_use]
    pub fn lying_disk(mut self, disk: &LyingDisk) -> Self {
        self.disks.push((disk.socket(), disk.bus()));
        self
    }

    /// Takes another kernel.
    #[must_use]
    pub fn kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Takes another initramfs than the kernel's own.
    #[must_use]
    pub fn initramfs(mut self, file: PathBuf) -> Self {
        self.initramfs = Some(file);
        self
    }

    /// Takes an initramfs that runs other commands before the agent.
    #[must_use]
    pub fn wrapped(self, initramfs: &WrappedInitramfs) -> Self {
        self.with(WrappedInitramfs::PARAMETER).initramfs(initramfs.file())
    }

    /// Sets the TPM's active banks. Without a bank there is no TPM.
    #[must_use]
    pub fn banks(mut self, banks: &[Bank]) -> Self {
        self.banks = banks.into();
        self
    }

    /// Takes a copy of this TPM, with its banks.
    #[must_use]
    pub fn tpm(mut self, tpm: &StandaloneTpm) -> Self {
        self.tpm = Some(tpm.state().to_owned());
        self
    }

    /// Takes a copy of the TPM whose permanent state is in this folder.
    #[must_use]
    pub fn tpm_state(mut self, folder: &Path) -> Self {
        self.tpm = Some(folder.to_owned());
        self
    }

    /// Connects it to a network that QEMU emulates. The guest reaches this host at 10.0.2.2, and this port of 127.0.0.1 leads to the
    /// port of Keylime's agent in the guest.
    #[must_use]
    pub fn agent_port(mut self, port: u16) -> Self {
        self.agent_port = Some(port);
        self
    }

    /// Takes a TPM 1.2.
    #[must_use]
    pub fn tpm_12(mut self) -> Self {
        self.tpm_12 = true;
        self
    }

    /// Connects the TPM through a command response buffer (CRB), as TPMs in a processor's firmware are.
    #[must_use]
    pub fn tpm_crb(mut self) -> Self {
        self.tpm_device = Some("tpm-crb");
        self
    }

    /// Gives it this many processors.
    #[must_use]
    pub fn processors(mut self, count: u8) -> Self {
        self.processors = count;
        self
    }

    /// Takes instructions from its processors, by their name in QEMU.
    #[must_use]
    pub fn lacking(mut self, instructions: &'static str) -> Self {
        self.lacking.push(instructions);
        self
    }

    /// Adds a table of ACPI, which this file holds as a whole.
    #[must_use]
    pub fn acpi_table(mut self, file: PathBuf) -> Self {
        self.acpi_table = Some(file);
        self
    }

    /// Puts the content of a file into the memory, at this address, before the machine starts.
    #[must_use]
    pub fn preloaded(mut self, address: u64, file: PathBuf) -> Self {
        self.preloaded = Some((address, file));
        self
    }

    /// Connects it to a network of its own, which has only a server at this address, such as `10.0.2.100:7000`. For each connection,
    /// this program starts, with the connection as its standard input and output.
    #[must_use]
    pub fn served_by(mut self, address: &str, program: PathBuf) -> Self {
        self.server = Some((address.to_owned(), program));
        self
    }

    /// Takes exactly this command line, without the harness' own parameters.
    #[must_use]
    pub fn cmdline(mut self, cmdline: &str) -> Self {
        cmdline.clone_into(&mut self.cmdline);
        self.exact = true;
        self
    }

    /// The command line that the kernel gets from QEMU.
    pub(crate) fn given_cmdline(&self) -> String {
        if self.exact {
            return self.cmdline.clone();
        }
        format!("console={} panic=1 measureroot.onfail=poweroff {}", Board::of(self.kernel).console, self.cmdline)
    }

    /// Gives it so much memory.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Gives it this time until it has booted or stopped.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Gives it memory and time for a whole distribution.
    #[must_use]
    pub fn large(mut self) -> Self {
        self.memory_mib = 1024;
        self.limit = Duration::from_secs(300);
        self
    }

    /// Shows the guest's console on standard output.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// Takes this accelerator, instead of the one that was found to work, and this time limit.
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

    /// Starts it and waits until measureroot stops the boot.
    pub fn fails(&self) -> Result<Failed> {
        self.start()?.failed()
    }
}
