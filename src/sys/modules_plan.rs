//! Which modules this machine needs, and in what order they are loaded.

use crate::error::Result;
use crate::sys::hardware::Hardware;
use crate::sys::modules_alias::{Aliases, FILE_SYSTEM, Need, later_buses};
use crate::sys::modules_dep::{Dependencies, module_name};

/// Folders of what may show a TPM or an RTMR: a register that the boot does not see stays clean. All of it is loaded, and first.
const REGISTERS: [&str; 2] = ["/tpm/", "/coco/"];
/// Folders of drivers that wait for what is attached: disks that start to spin, links, buses that are reset. The disks of some of them
/// have their names in the order in which they answer, with every initramfs.
const WAIT_FOR_DISKS: [&str; 7] = ["/ata/", "/message/", "/mmc/", "/nvme/", "/scsi/", "/ufs/", "/usb/"];
/// The hub of each USB controller.
const USB_CORE: &str = "/usb/core/";
/// Folders of what has no devices of its own.
const NO_DEVICES: [&str; 6] = ["/fs/", "/lib/", CRYPTO, "/md/", "/nls/", "/loop."];
/// The folders of algorithms.
const CRYPTO: &str = "/crypto/";
/// The folder of character sets.
const CHARACTER_SETS: &str = "/nls/";

/// The value of [`Plan::rank`] of the drivers that wait for what is attached.
const FIRST_THAT_WAITS: u8 = 3;
/// The highest value of [`Plan::rank`].
const LAST_RANK: u8 = 4;

/// The lists that depmod wrote.
pub(crate) struct Plan<'a> {
    pub(crate) dependencies: &'a Dependencies,
    pub(crate) aliases: &'a Aliases,
    /// Whether the command line names a module, because it gets parameters, is wanted or is forbidden. It is not passed over then.
    pub(crate) is_named: &'a dyn Fn(&str) -> bool,
}

impl<'a> Plan<'a> {
    /// The files of the modules that this hardware needs and that are not among `tried`, each after those that it needs. They come in
    /// rounds, because the drivers of one may show a device for the next: first the drivers that answer at once, then those that wait,
    /// and at last, while these wait, the rest.
    ///
    /// # Errors
    /// When modules.dep is broken.
    pub(crate) fn missing(&self, hardware: &Hardware, tried: &[&'a str]) -> Result<Vec<&'a str>> {
        let mut wanted = tried.to_vec();
        loop {
            // A controller brings its bus, and a bus its drivers.
            let order = self.dependencies.order_of(&wanted)?;
            let names: Vec<_> = order.iter().map(|file| module_name(file)).collect();
            let buses = later_buses(hardware, &names);
            let is_new = |file: &&str| !order.contains(file) && self.needs(file, hardware, &buses);
            let new: Vec<_> = self.dependencies.files().filter(is_new).collect();
            if new.is_empty() {
                let (mut by_rank, mut missing) = (Vec::new(), Vec::new());
                for rank in 0..=LAST_RANK {
                    if rank >= FIRST_THAT_WAITS && !missing.is_empty() {
                        break;
                    }
                    by_rank.extend(wanted.iter().copied().filter(|file| self.rank(file) == rank));
                    missing = self.dependencies.order_of(&by_rank)?;
                    missing.retain(|file| !tried.contains(file));
                }
                return Ok(missing);
            }
            wanted.extend(new);
        }
    }

    fn needs(&self, file: &str, hardware: &Hardware, buses: &[&str]) -> bool {
        let name = module_name(file);
        if is_register(file) || (self.is_named)(&name) {
            return true;
        }
        if is_character_set(file) {
            // It is loaded when a file system is mounted that may ask for it.
            return false;
        }
        let aliases = self.aliases.of(&name);
        match self.aliases.need(&name, hardware, buses) {
            // It is loaded when such a file system is mounted.
            Need::Always if aliases.iter().any(|alias| alias.starts_with(FILE_SYSTEM)) => false,
            // Without any alias it is a library, if others need it.
            Need::Always => !aliases.is_empty() || !self.dependencies.is_needed(file),
            Need::Device(is_there) => is_there,
        }
    }

    /// What comes first: the TPM, then drivers that answer at once, then those that wait beside the others, and at last what has no
    /// devices. The drivers of a bus that is filled later come before its controllers, so that each device has its driver when it appears.
    fn rank(&self, file: &str) -> u8 {
        match () {
            () if is_register(file) => 0,
            () if self.aliases.is_for_a_later_bus(&module_name(file)) => 1,
            () if self.may_wait(file) => FIRST_THAT_WAITS,
            () if has_no_devices(file) => LAST_RANK,
            () => 2,
        }
    }

    /// Whether the kernel may look for the devices of this module beside everything else (kernel, drivers/base/dd.c,
    /// `driver_allows_async_probing`). Otherwise the module is not loaded until all devices that are looked for so have answered.
    pub(crate) fn is_beside(&self, file: &str) -> bool {
        !is_register(file) && (has_no_devices(file) || self.may_wait(file))
    }

    fn may_wait(&self, file: &str) -> bool {
        let is_bus_driver = self.aliases.is_for_a_filled_bus(&module_name(file));
        !is_bus_driver && !file.contains(USB_CORE) && WAIT_FOR_DISKS.iter().any(|folder| file.contains(folder))
    }
}

/// Whether this module may show a TPM or an RTMR.
pub(crate) fn is_register(file: &str) -> bool {
    REGISTERS.iter().any(|folder| file.contains(folder))
}

/// Whether this module is a character set of file names.
pub(super) fn is_character_set(file: &str) -> bool {
    file.contains(CHARACTER_SETS)
}

/// Whether this module has an algorithm. Others ask the kernel for it by name when they start, as libcrc32c asks for crc32c: modules.dep
/// does not list that (it is a soft dependency, modprobe.d(5)).
pub(super) fn is_algorithm(file: &str) -> bool {
    file.contains(CRYPTO)
}

/// Whether this module has no devices, so that nothing depends on when it is loaded but what needs it.
pub(super) fn has_no_devices(file: &str) -> bool {
    NO_DEVICES.iter().any(|folder| file.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/drivers/ata/ahci.ko: kernel/drivers/ata/libata.ko kernel/drivers/scsi/scsi_mod.ko\n\
        kernel/drivers/ata/libata.ko: kernel/drivers/scsi/scsi_mod.ko\nkernel/drivers/ata/ata_piix.ko: kernel/drivers/ata/libata.ko\n\
        kernel/drivers/block/loop.ko:\nkernel/drivers/block/virtio_blk.ko:\nkernel/drivers/char/tpm/tpm_crb.ko:\n\
        kernel/drivers/scsi/virtio_scsi.ko: kernel/drivers/scsi/scsi_mod.ko\nkernel/drivers/scsi/scsi_mod.ko:\nkernel/drivers/scsi/sd_mod.ko: kernel/drivers/scsi/scsi_mod.ko\n\
        kernel/drivers/usb/core/usbcore.ko:\nkernel/drivers/usb/host/xhci-pci.ko: kernel/drivers/usb/core/usbcore.ko\n\
        kernel/drivers/usb/storage/usb-storage.ko: kernel/drivers/usb/core/usbcore.ko kernel/drivers/scsi/scsi_mod.ko\n\
        kernel/drivers/virtio/virtio_pci.ko:\nkernel/drivers/acpi/child.ko:\nkernel/fs/overlayfs/overlay.ko:\n\
        kernel/fs/nls/nls_utf8.ko:\n";
    const ALIAS: &str = "alias pci:v1d1 ahci\nalias pci:v1d2 xhci_pci\nalias pci:v1d3 virtio_pci\nalias pci:v1d4 ata_piix\n\
        alias scsi:t-0x00* sd_mod\nalias usb:v* usb_storage\nalias virtio:d00000002v* virtio_blk\nalias virtio:d00000008v* virtio_scsi\nalias devname:loop-control loop\n\
        alias acpi*:TPM1:* tpm_crb\nalias platform:child child\nalias fs-overlay overlay\n";

    /// The names of the modules that are missing on this hardware, round by round.
    fn missing(devices: &[&str], buses: &[&str], tried: &[&str], set: &str) -> String {
        let (dependencies, aliases) = (Dependencies::parse(DEP).unwrap(), Aliases::parse(ALIAS));
        let plan = Plan { dependencies: &dependencies, aliases: &aliases, is_named: &|name| name == set };
        let mut tried: Vec<_> = tried.iter().map(|name| dependencies.file(name).unwrap()).collect();
        let mut rounds = Vec::new();
        loop {
            let files = plan.missing(&Hardware::of(devices, buses), &tried).unwrap();
            if files.is_empty() {
                return rounds.join(", ");
            }
            rounds.push(files.iter().map(|file| module_name(file)).collect::<Vec<_>>().join(" "));
            tried.extend(files);
        }
    }

    #[test]
    fn what_the_hardware_needs_is_loaded_in_this_order() {
        for (devices, buses, expected) in [
            (&[][..], &[][..], "tpm_crb, loop"),
            (&["pci:v1d3"], &["virtio"], "tpm_crb virtio_pci, loop"),
            (&["pci:v1d3", "virtio:d00000002v00001AF4"], &["virtio"], "tpm_crb virtio_blk virtio_pci, loop"),
            (&["pci:v1d3", "virtio:d00000008v1"], &["virtio"], "tpm_crb scsi_mod sd_mod virtio_scsi virtio_pci, loop"),
            (&["pci:v1d1"], &[], "tpm_crb scsi_mod sd_mod, libata ahci, loop"),
            (&["pci:v1d2"], &[], "tpm_crb usbcore scsi_mod usb_storage sd_mod, xhci_pci, loop"),
            (&["pci:v1d2"], &["scsi"], "tpm_crb scsi_mod sd_mod usbcore usb_storage, xhci_pci, loop"),
        ] {
            assert_eq!(missing(devices, buses, &[], ""), expected, "{devices:?} {buses:?}");
        }
        assert_eq!(missing(&[], &[], &[], "ata_piix"), "tpm_crb scsi_mod sd_mod, libata ata_piix, loop");
        assert_eq!(missing(&[], &[], &[], "nls_utf8"), "tpm_crb, loop nls_utf8");
    }

    /// A driver has shown a device that another one drives.
    #[test]
    fn what_a_device_brings_is_loaded_in_the_next_round() {
        let tried = ["tpm_crb", "loop"];
        assert_eq!(missing(&[], &[], &tried, ""), "");
        assert_eq!(missing(&["platform:child"], &[], &tried, ""), "child");
    }

    /// The NVMe disks of some laptops appear behind Intel's controller for volumes, once that has its driver.
    #[test]
    fn a_controller_behind_a_controller_gets_its_driver() {
        let (vmd, nvme) = ("kernel/drivers/pci/controller/vmd.ko", "kernel/drivers/nvme/host/nvme.ko");
        let dependencies = Dependencies::parse(&format!("{nvme}:\n{vmd}:\n")).unwrap();
        let aliases = Aliases::parse("alias pci:v*d*sv*sd*bc01sc08i02* nvme\nalias pci:v00008086d00009A0B* vmd\n");
        let plan = Plan { dependencies: &dependencies, aliases: &aliases, is_named: &|_| false };
        let (controller, disk) = ("pci:v00008086d00009A0Bsv0sd0bc01sc04i00", "pci:v1d1sv0sd0bc01sc08i02");
        assert_eq!(plan.missing(&Hardware::of(&[controller], &[]), &[]).unwrap(), [vmd]);
        assert_eq!(plan.missing(&Hardware::of(&[controller, disk], &[]), &[vmd]).unwrap(), [nvme]);
        assert!(plan.is_beside(nvme) && !plan.is_beside(vmd));
    }

    #[test]
    fn only_what_cannot_show_a_tpm_is_loaded_beside_the_others() {
        let (dependencies, aliases) = (Dependencies::parse(DEP).unwrap(), Aliases::parse(ALIAS));
        let plan = Plan { dependencies: &dependencies, aliases: &aliases, is_named: &|_| false };
        let beside: Vec<_> = dependencies.files().filter(|file| plan.is_beside(file)).map(module_name).collect();
        assert_eq!(beside.join(" "), "ahci libata ata_piix loop scsi_mod xhci_pci overlay nls_utf8");
    }
}
