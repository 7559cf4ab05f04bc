//! modules.alias: the devices that each kernel module drives, as depmod(8) lists them.

use crate::sys::hardware::Hardware;

/// The kinds of aliases for devices that the kernel lists at once: those of PCI, of ACPI's tables, of a device tree, of the board,
/// and the processor. Those of virtio are there as soon as the driver of their controller is.
const LISTED_AT_ONCE: [&str; 6] = ["pci", "acpi", "of", "platform", "cpu", VIRTIO];

/// The bus of a hypervisor's disks.
const VIRTIO: &str = "virtio";

/// Buses that the kernel fills while it runs, each with the module that makes the bus. A device may appear at any time, so all drivers
/// of such a bus are needed as soon as there is the bus.
const FILLED_LATER: [(&str, &str); 7] = [
    ("usb", "usbcore"),
    ("hid", "hid"),
    ("scsi", "scsi_mod"),
    ("mmc", "mmc_core"),
    ("sdio", "mmc_core"),
    ("vmbus", "hv_vmbus"),
    ("xen", "xenbus_probe_frontend"),
];

/// The kernel asks for a driver by this alias when a program opens a device node that has no driver yet. The agent opens none.
const FOR_NODES: &str = "block-major-";

/// What the kernel calls the module of a file system, before its name (kernel, fs/filesystems.c, `get_fs_type`).
pub(super) const FILE_SYSTEM: &str = "fs-";

/// When a module is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// In every boot, as far as its aliases say.
    Always,
    /// If its device or its bus is there.
    Device(bool),
}

/// The aliases of each module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Module>);

/// A module, by the kernel's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    name: String,
    aliases: Vec<String>,
}

impl Aliases {
    /// Reads the text of modules.alias. A line that is no alias is left out: the module is needed in every boot then.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut modules: Vec<Module> = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("alias"), Some(alias), Some(name)) = (words.next(), words.next(), words.next()) else { continue };
            let (alias, name) = (alias.to_owned(), name.replace('-', "_"));
            // Most lines follow another one of the same module.
            match modules.iter_mut().rev().find(|module| module.name == name) {
                Some(module) => module.aliases.push(alias),
                None => modules.push(Module { name, aliases: vec![alias] }),
            }
        }
        Self(modules)
    }

    /// Whether the module with this name is needed on this hardware. `buses` has those of [`later_buses`].
    pub(crate) fn need(&self, name: &str, hardware: &Hardware, buses: &[&str]) -> Need {
        let mut need = Need::Always;
        for alias in self.of(name) {
            let kind = kind(alias);
            let is_there = if LISTED_AT_ONCE.contains(&kind) {
                hardware.has(alias)
            } else if is_later(kind) {
                buses.contains(&kind)
            } else if alias.starts_with(FOR_NODES) || is_name(alias) {
                continue;
            } else {
                // Nobody knows what asks for this.
                return Need::Always;
            };
            if is_there {
                return Need::Device(true);
            }
            need = Need::Device(false);
        }
        need
    }

    /// Whether the module drives devices of a bus that the kernel fills while it runs.
    pub(crate) fn is_for_a_later_bus(&self, name: &str) -> bool {
        self.of(name).iter().any(|alias| is_later(kind(alias)))
    }

    /// Whether the module drives devices of a bus that another driver fills.
    pub(crate) fn is_for_a_filled_bus(&self, name: &str) -> bool {
        self.of(name).iter().any(|alias| is_later(kind(alias)) || kind(alias) == VIRTIO)
    }

    /// The aliases of a module.
    pub(crate) fn of(&self, name: &str) -> &[String] {
        self.0.iter().find(|module| module.name == name).map_or(&[], |module| &module.aliases)
    }
}

/// The buses that the kernel fills while it runs, and that it has: now, or as soon as the modules `loaded` are loaded.
pub(crate) fn later_buses(hardware: &Hardware, loaded: &[String]) -> Vec<&'static str> {
    let mut buses = Vec::new();
    for (bus, module) in FILLED_LATER {
        if hardware.has_bus(bus) || loaded.iter().any(|name| name == module) {
            buses.push(bus);
        }
    }
    buses
}

fn is_later(kind: &str) -> bool {
    FILLED_LATER.iter().any(|(bus, _)| *bus == kind)
}

/// Whether this is another name of the module, such as `cciss` for hpsa: only modprobe(8) asks for it, on a person's behalf. What the
/// kernel asks for on behalf of something has a colon or a dash.
fn is_name(alias: &str) -> bool {
    !alias.bytes().any(|byte| byte == b':' || byte == b'-')
}

/// What stands before the first colon, without the pattern that some kinds have there, as in `acpi*:PNP0C31:*`.
fn kind(alias: &str) -> &str {
    let end = alias.bytes().position(|byte| byte == b':' || byte == b'*');
    end.and_then(|end| alias.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Aliases extracted from modules themselves.\n\
        alias pci:v*d*sv*sd*bc01sc06i01* ahci\nalias acpi*:PNP0C31:* tpm_tis\nalias of:N*T*Cvirtio,mmioC* virtio_mmio\n\
        alias of:N*T*Cvirtio,mmio virtio_mmio\nalias block-major-8-* sd_mod\nalias scsi:t-0x00* sd_mod\n\
        alias fs-ext4 ext4\nalias usb:v*p*d*dc*dsc*dp*ic08isc06ip50in* usb-storage\nalias cpu:type:x86,ven*:feature:*0081* aes\n\
        alias crypto-aes aes\nalias aes aes\nalias xen:vbd xen_blkfront\nalias xenblk xen_blkfront\nalias md5 md5\n\
        odd\nalias odd\n";

    #[test]
    fn a_module_is_needed_if_its_device_or_its_bus_is_there() {
        let aliases = Aliases::parse(TEXT);
        let hardware = Hardware::of(&["pci:v00008086d00002922sv0sd0bc01sc06i01", "acpi:LNXSYSTM:"], &["scsi"]);
        let need = |name, loaded: &str| aliases.need(name, &hardware, &later_buses(&hardware, &[loaded.to_owned()]));
        for (name, loaded, expected) in [
            ("ahci", "", Need::Device(true)),
            ("tpm_tis", "", Need::Device(false)),
            ("virtio_mmio", "", Need::Device(false)),
            ("sd_mod", "", Need::Device(true)),
            ("usb_storage", "", Need::Device(false)),
            ("usb_storage", "usbcore", Need::Device(true)),
            ("xen_blkfront", "", Need::Device(false)),
            // What the kernel asks for by other names is always needed.
            ("ext4", "", Need::Always),
            ("aes", "", Need::Always),
            ("overlay", "", Need::Always),
            // It has no other alias than its name.
            ("md5", "", Need::Always),
        ] {
            assert_eq!(need(name, loaded), expected, "{name} {loaded}");
        }
        assert!(aliases.is_for_a_filled_bus("sd_mod") && !aliases.is_for_a_filled_bus("ahci"));
    }
}
