//! What a list of modules probably lacks: modules that do nothing without another one, which no list of depmod names.

use std::collections::BTreeSet;

use crate::media::superblock::FileSystem;

/// A module, those of which it needs at least one, and what does not appear without them.
type Companion = (&'static str, &'static [&'static str], &'static str);

/// A driver of a controller brings the bus, and another driver is for the disks on it.
const COMPANIONS: [Companion; 4] = [
    ("scsi_mod", &["sd_mod", "sr_mod"], "disk or CD-ROM drive behind a SCSI, SATA, RAID or USB controller"),
    ("mmc_core", &["mmc_block"], "SD card or eMMC"),
    ("virtio_blk", VIRTIO, "virtio disk"),
    ("virtio_scsi", VIRTIO, "virtio disk"),
];
const VIRTIO: &[&str] = &["virtio_pci", "virtio_mmio", "virtio_ccw"];

/// How the names of the drivers of TPMs begin, but for one.
const TPM: &str = "tpm_";
const TPM_OF_XEN: &str = "xen_tpmfront";

/// What the modules `packed` lack, with those that are `builtin` into the kernel.
pub(super) fn missing(packed: &BTreeSet<String>, builtin: &BTreeSet<String>) -> Vec<String> {
    let has = |name: &str| packed.contains(name) || builtin.contains(name);
    let mut said = Vec::new();
    for (module, others, what) in COMPANIONS {
        // A bus that is built in says nothing about the disks of this machine.
        if packed.contains(module) && !others.iter().any(|other| has(other)) {
            said.push(format!("{module} is packed, but no {}: no {what} appears", others.join(", no ")));
        }
    }
    // The module of each of them has its name.
    let images: Vec<_> = FileSystem::ALL.into_iter().filter(|kind| kind.is_image()).map(FileSystem::name).collect();
    if !images.iter().any(|name| has(name)) {
        said.push(format!("no module of an image's file system is packed: no {}", images.join(", no ")));
    }
    if !has(TPM_OF_XEN) && !packed.iter().chain(builtin).any(|name| name.starts_with(TPM)) {
        said.push("no driver of a TPM is packed, such as tpm_tis or tpm_crb: no boot is measured".to_owned());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_is_built_in_is_there_and_needs_no_companion() {
        let builtin = names(&["scsi_mod", "squashfs", "tpm_tis", "virtio_pci"]);
        assert_eq!(missing(&names(&["nvme", "virtio_blk"]), &builtin), Vec::<String>::new());
        assert_eq!(missing(&names(&["nvme", "mmc_core"]), &builtin).len(), 1);
    }

    #[test]
    fn what_does_nothing_without_another_module_is_said() {
        for (packed, expected) in [
            (&["squashfs", "tpm_tis", "nvme"][..], &[][..]),
            (&["erofs", "tpm_crb", "scsi_mod", "sd_mod", "virtio_blk", "virtio_mmio"], &[]),
            (&["ext4", "xen_tpmfront", "megaraid_sas", "scsi_mod"], &["scsi_mod is packed, but no sd_mod, no sr_mod"]),
            (&["ext4", "tpm_tis", "mmc_core", "sdhci"], &["mmc_core is packed, but no mmc_block: no SD card"]),
            (&["ext4", "tpm_tis", "virtio_scsi", "scsi_mod", "sr_mod"], &["virtio_scsi is packed, but no virtio_pci"]),
            (&["nvme"], &["no module of an image's file system is packed", "no driver of a TPM is packed"]),
        ] {
            let said = missing(&names(packed), &BTreeSet::new());
            assert_eq!(said.len(), expected.len(), "{packed:?}: {said:?}");
            assert!(said.iter().zip(expected).all(|(said, expected)| said.starts_with(expected)), "{said:?}");
        }
    }
}
