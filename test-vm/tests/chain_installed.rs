//! `measureroot predict --disk`: a disk as Debian's installer leaves it, with the kernels and GRUB's configuration on an ext4.

use test_vm::debian_disk::Release;
use test_vm::installed_disk::{self, Ext4};
use test_vm::scratch::Scratch;
use test_vm::{Bus, Image, Result, RootFs, Vm, predict};

/// The PCRs that follow.
const FOLLOW: [u8; 6] = [4, 8, 9, 11, 12, 14];

/// The TPM holds what was predicted of the default entry.
fn boots_as_predicted(release: Release, ext4: Ext4) -> Result<()> {
    let scratch = Scratch::new()?;
    let disk = installed_disk::made(release, ext4, &scratch)?;
    // GRUB writes its choice to the disk.
    let menu = predict::disk_with(&disk, &[])?;
    assert_eq!(menu[0].keys().copied().collect::<Vec<_>>(), FOLLOW);
    let vm = Vm::uefi().large().disk_file(Bus::Virtio, disk).disk(&Image::small(RootFs::Squashfs)?);
    predict::holds(&vm.boots()?.power_off()?, &menu[0])
}

#[test]
fn debian_12_with_an_ext4_as_its_root_is_measured_as_predicted() -> Result<()> {
    boots_as_predicted(Release::Bookworm, Ext4::Root)
}

#[test]
fn debian_13_with_an_ext4_as_its_root_is_measured_as_predicted() -> Result<()> {
    boots_as_predicted(Release::Trixie, Ext4::Root)
}

#[test]
fn debian_13_with_an_ext4_for_boot_alone_is_measured_as_predicted() -> Result<()> {
    boots_as_predicted(Release::Trixie, Ext4::Boot)
}
