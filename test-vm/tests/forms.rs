//! Each form of root image boots, wherever it is, with the PCR that was predicted from the image file.

use std::time::Duration;
use test_vm::{Bus, Image, Medium, Place, Result, RootFs, Step, Vm};

/// The path of the small squashfs on the media.
const FILE: &str = "/images/root.squashfs";

/// The image boots from `medium` as /dev/vda, is found at `place`, and is measured as predicted.
fn boots(parameters: &str, medium: &Image, image: &Image, place: &Place) -> Result<()> {
    Vm::new(parameters).disk(medium).boots()?.ends_measured_at(image, place).map(drop)
}

/// The small image in this format is /dev/vda.
fn boots_from_device(parameters: &str, format: RootFs) -> Result<()> {
    let image = Image::small(format)?;
    boots(parameters, &image, &image, &Place::device("/dev/vda"))
}

/// The small squashfs is in the second partition of /dev/vda.
fn boots_from_partition(parameters: &str) -> Result<()> {
    let (disk, image) = (Image::partitioned_medium()?, Image::small(RootFs::Squashfs)?);
    boots(parameters, &disk, &image, &Place::device("/dev/vda2"))
}

/// The small squashfs is a file on a medium. It is mounted through a read-only loop device.
fn boots_from_file(medium: Medium) -> Result<()> {
    let (medium, image) = (Image::medium(medium)?, Image::small(RootFs::Squashfs)?);
    let mut guest = Vm::new(&format!("root=/dev/vda rootimg={FILE}")).disk(&medium).boots()?;
    assert_eq!(guest.read("/sys/block/loop0/ro")?, "1");
    assert_eq!(guest.read("/sys/block/loop0/loop/offset")?, "0");
    guest.ends_measured_at(&image, &Place::file_on("/dev/vda", FILE)).map(drop)
}

#[test]
fn a_squashfs_on_a_device_boots() -> Result<()> {
    boots_from_device("root=/dev/vda", RootFs::Squashfs)
}

#[test]
fn an_erofs_on_a_device_boots() -> Result<()> {
    boots_from_device("root=/dev/vda", RootFs::Erofs)
}

#[test]
fn an_ext4_on_a_device_boots() -> Result<()> {
    boots_from_device("root=/dev/vda", RootFs::Ext4)
}

/// They are no options of the file system, but of mount(8).
#[test]
fn the_words_of_fstab_are_no_options_of_the_file_system() -> Result<()> {
    boots_from_device("root=/dev/vda rootflags=noatime,nodiratime,x-initrd.mount,nofail,errors=continue", RootFs::Ext4)
}

#[test]
fn any_file_system_is_auto() -> Result<()> {
    boots_from_device("root=/dev/vda rootfstype=auto", RootFs::Ext4)
}

#[test]
fn a_quote_that_is_left_open_does_not_take_in_the_newline_of_proc_cmdline() -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Vfat)?, Image::small(RootFs::Squashfs)?);
    let place = Place::file_on("/dev/vda", FILE);
    boots("root=/dev/vda rootimg=\"images/root.squashfs", &medium, &image, &place)
}

#[test]
fn a_device_is_found_by_label() -> Result<()> {
    boots_from_device("root=LABEL=small-root", RootFs::Ext4)
}

#[test]
fn a_device_is_found_by_uuid() -> Result<()> {
    boots_from_device("root=UUID=6d656173-7572-4564-a26f-6f7420696d67", RootFs::Erofs)
}

#[test]
fn a_partition_larger_than_its_image_is_found_by_label() -> Result<()> {
    boots_from_partition("root=PARTLABEL=measured-root")
}

#[test]
fn a_partition_is_found_by_uuid() -> Result<()> {
    boots_from_partition("root=PARTUUID=6d656173-7572-4564-a26f-6f7420696d02")
}

#[test]
fn a_partition_is_found_by_the_path_that_udev_would_give_it() -> Result<()> {
    boots_from_partition("root=/dev/disk/by-partlabel/measured-root")
}

#[test]
fn a_file_on_vfat_boots() -> Result<()> {
    boots_from_file(Medium::Vfat)
}

#[test]
fn a_file_on_ext4_boots() -> Result<()> {
    boots_from_file(Medium::Ext4)
}

#[test]
fn a_file_on_squashfs_boots() -> Result<()> {
    boots_from_file(Medium::Squashfs)
}

#[test]
fn a_file_on_a_cd_rom_boots() -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Iso)?, Image::small(RootFs::Squashfs)?);
    let vm = Vm::new("root=LABEL=MEDIUM_CD rootimg=images/root.squashfs").disk_on(Bus::CdRom, &medium);
    vm.boots()?.ends_measured_at(&image, &Place::file_on("/dev/sr0", FILE)).map(drop)
}

#[test]
fn a_link_that_stays_on_its_medium_leads_to_the_file() -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Ext4)?, Image::small(RootFs::Squashfs)?);
    let place = Place::file_on("/dev/vda", "/images/inside");
    boots("root=/dev/vda rootimg=/images/inside", &medium, &image, &place)
}

#[test]
fn a_file_is_found_on_one_of_several_disks() -> Result<()> {
    let (root, disk) = (Image::small(RootFs::Erofs)?, Image::partitioned_medium()?);
    let (medium, image) = (Image::medium(Medium::Vfat)?, Image::small(RootFs::Squashfs)?);
    let vm = Vm::new(&format!("rootimg={FILE}")).disk(&root).disk(&disk).disk(&medium);
    vm.boots()?.ends_measured_at(&image, &Place::searched_on("/dev/vdc", FILE)).map(drop)
}

/// The medium is plugged in after the boot has waited for it for five seconds.
fn boots_late(parameters: &str, medium: &Image, image: &Image, place: &Place) -> Result<()> {
    let mut machine = Vm::new(parameters).start()?;
    machine.reaches(Step::WaitForDevices)?;
    std::thread::sleep(Duration::from_secs(5));
    machine.plug(medium)?;
    machine.booted()?.ends_measured_at(image, place).map(drop)
}

#[test]
fn a_device_that_appears_five_seconds_late_boots() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    boots_late("root=/dev/vda", &image, &image, &Place::device("/dev/vda"))
}

#[test]
fn a_file_on_a_medium_that_appears_five_seconds_late_boots() -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Vfat)?, Image::small(RootFs::Squashfs)?);
    boots_late(&format!("rootimg={FILE}"), &medium, &image, &Place::searched_on("/dev/vda", FILE))
}
