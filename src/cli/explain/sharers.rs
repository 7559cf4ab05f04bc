//! Who else extends the PCR of the image.
//!
//! Sources: TCG PC Client Platform Firmware Profile 1.06, section 3.3.4; the UAPI Group's Linux TPM PCR Registry; systemd,
//! docs/TPM2_PCR_MEASUREMENTS.md and systemd-pcrosseparator.service(8).

use crate::measure::pcr::PcrIndex;

/// What a person who chose this PCR should know, or who chose none: with such an event before the image's, or behind it, the PCR has
/// another value than `predict` tells of the image alone.
pub(super) fn note(pcr: PcrIndex) -> String {
    let others = match pcr.get() {
        0..=7 => {
            "the firmware extends it first, so its value also depends on the machine; rootimgpcr=8 names a PCR that it leaves alone"
        }
        8 => "GRUB measures its commands there: if GRUB starts the kernel, take another PCR, such as 13",
        9 => {
            "GRUB measures files there, and the kernel's EFI stub the initrd and the command line; rootimgpcr=8 is free without GRUB"
        }
        10 => "the kernel's IMA measures files there, if the command line or the policy turns it on",
        11 => {
            "systemd-stub measures the kernel there, and systemd the phases of the boot, also after the image; rootimgpcr=8 is free without GRUB"
        }
        12 => {
            "systemd-boot and systemd-stub measure command lines, credentials and confexts there; rootimgpcr=8 is free without GRUB"
        }
        13 => {
            "systemd-stub measures the sysexts (*.raw) beside a unified kernel image there, and an initramfs with systemd 261 or newer that ran before, by kexec, an os-separator; if a machine has such, rootimgpcr=8 names a PCR that is free without GRUB"
        }
        14 => "shim measures its lists of keys there; rootimgpcr=8 is free without GRUB",
        _ => {
            "systemd measures the identity of the machine and of its disks there, also after the image; rootimgpcr=8 is free without GRUB"
        }
    };
    format!("PCR {pcr} is not the image's alone: {others}")
}
