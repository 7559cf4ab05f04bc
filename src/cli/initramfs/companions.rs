//! What a list of modules probably lacks: modules that do nothing without another one, which no list of depmod names.

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

/// The file systems of an image, by the names of their modules.
const FILE_SYSTEMS: [&str; 3] = ["squashfs", "erofs", "ext4"];
/// How the names of the drivers of TPMs begin, but for one.
const TPM: &str = "tpm_";
const TPM_OF_XEN: &str = "xen_tpmfront";

/// What these modules lack; `has` says of a name whether it is packed or built into the kernel, `any` whether one with a beginning is.
pub(super) fn missing(has: &dyn Fn(&str) -> bool, any: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut said = Vec::new();
    for (module, others, what) in COMPANIONS {
        if has(module) && !others.iter().any(|other| has(other)) {
            said.push(format!("{module} is packed, but no {}: no {what} appears", others.join(", no ")));
        }
    }
    if !FILE_SYSTEMS.iter().any(|name| has(name)) {
        said.push(format!("no module of an image's file system is packed: no {}", FILE_SYSTEMS.join(", no ")));
    }
    if !any(TPM) && !has(TPM_OF_XEN) {
        said.push("no driver of a TPM is packed, such as tpm_tis or tpm_crb: no boot is measured".to_owned());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let any = |beginning: &str| packed.iter().any(|name| name.starts_with(beginning));
            let said = missing(&|name| packed.contains(&name), &any);
            assert_eq!(said.len(), expected.len(), "{packed:?}: {said:?}");
            assert!(said.iter().zip(expected).all(|(said, expected)| said.starts_with(expected)), "{said:?}");
        }
    }
}
