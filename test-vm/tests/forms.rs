//! Each form of root image, wherever it may lie, boots with the PCR that was predicted from the image file.

use std::time::Duration;
use test_vm::{Bus, Image, Result, Vm};

/// The image boots from `medium`, is found at `place`, and is measured as predicted.
fn boots(parameters: &str, medium: &Image, image: &Image, place: (&str, &str, Option<&str>)) -> Result<()> {
    let mut guest = Vm::new(parameters).disk(medium).boots()?;
    guest.measured_at(image, place)?;
    guest.ends_measured(image).map(drop)
}

/// The small squashfs as a file on a medium, mounted through a read-only loop device.
fn boots_from_file(format: &str) -> Result<()> {
    let place = ("file", "/dev/vda", Some("/images/root.squashfs"));
    let (medium, image) = (Image::medium(format)?, Image::small("squashfs")?);
    let mut guest = Vm::new("root=/dev/vda rootimg=/images/root.squashfs").disk(&medium).boots()?;
    guest.measured_at(&image, place)?;
    assert_eq!(guest.read("/sys/block/loop0/ro")?, "1");
    assert_eq!(guest.read("/sys/block/loop0/loop/offset")?, "0");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_device_that_is_squashfs() -> Result<()> {
    let image = Image::small("squashfs")?;
    boots("root=/dev/vda", &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_device_that_is_erofs() -> Result<()> {
    let image = Image::small("erofs")?;
    boots("root=/dev/vda", &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_device_that_is_ext4() -> Result<()> {
    let image = Image::small("ext4")?;
    boots("root=/dev/vda", &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_device_by_label() -> Result<()> {
    let image = Image::small("ext4")?;
    boots("root=LABEL=small-root", &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_device_by_uuid() -> Result<()> {
    let image = Image::small("erofs")?;
    let root = "root=UUID=6d656173-7572-4564-a26f-6f7420696d67";
    boots(root, &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_partition_by_label_larger_than_its_image() -> Result<()> {
    let image = Image::small("squashfs")?;
    boots("root=PARTLABEL=measured-root", &Image::medium("gpt")?, &image, ("device", "/dev/vda2", None))
}

#[test]
fn a_partition_by_uuid() -> Result<()> {
    let root = "root=PARTUUID=6d656173-7572-4564-a26f-6f7420696d02";
    boots(root, &Image::medium("gpt")?, &Image::small("squashfs")?, ("device", "/dev/vda2", None))
}

#[test]
fn a_partition_by_the_link_that_udev_would_make() -> Result<()> {
    let root = "root=/dev/disk/by-partlabel/measured-root";
    boots(root, &Image::medium("gpt")?, &Image::small("squashfs")?, ("device", "/dev/vda2", None))
}

#[test]
fn a_file_on_vfat() -> Result<()> {
    boots_from_file("vfat")
}

#[test]
fn a_file_on_ext4() -> Result<()> {
    boots_from_file("ext4")
}

#[test]
fn a_file_on_squashfs() -> Result<()> {
    boots_from_file("squashfs")
}

#[test]
fn a_file_on_a_cd_rom() -> Result<()> {
    let (medium, image) = (Image::medium("iso")?, Image::small("squashfs")?);
    let vm = Vm::new("root=LABEL=MEDIUM_CD rootimg=images/root.squashfs").disk_on(Bus::CdRom, &medium);
    let mut guest = vm.boots()?;
    guest.measured_at(&image, ("file", "/dev/sr0", Some("/images/root.squashfs")))?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_file_by_a_link_that_stays_on_its_medium() -> Result<()> {
    let (medium, image) = (Image::medium("ext4")?, Image::small("squashfs")?);
    let place = ("file", "/dev/vda", Some("/images/inside"));
    boots("root=/dev/vda rootimg=/images/inside", &medium, &image, place)
}

#[test]
fn a_file_that_is_searched_among_several_disks() -> Result<()> {
    let (root, disk, medium) = (Image::small("erofs")?, Image::medium("gpt")?, Image::medium("vfat")?);
    let vm = Vm::new("rootimg=/images/root.squashfs").disk(&root).disk(&disk).disk(&medium);
    let (mut guest, image) = (vm.boots()?, Image::small("squashfs")?);
    guest.measured_at(&image, ("searched", "/dev/vdc", Some("/images/root.squashfs")))?;
    guest.ends_measured(&image).map(drop)
}

/// Plugs the medium in when the boot has waited for it for five seconds.
fn boots_late(parameters: &str, medium: &Image, image: &Image, place: (&str, &str, Option<&str>)) -> Result<()> {
    let mut machine = Vm::new(parameters).start()?;
    machine.says("measureroot: wait for devices")?;
    std::thread::sleep(Duration::from_secs(5));
    machine.plug(medium)?;
    let mut guest = machine.booted()?;
    guest.measured_at(image, place)?;
    guest.ends_measured(image).map(drop)
}

#[test]
fn a_device_that_appears_five_seconds_late() -> Result<()> {
    let image = Image::small("squashfs")?;
    boots_late("root=/dev/vda", &image, &image, ("device", "/dev/vda", None))
}

#[test]
fn a_searched_medium_that_appears_five_seconds_late() -> Result<()> {
    let place = ("searched", "/dev/vda", Some("/images/root.squashfs"));
    boots_late("rootimg=/images/root.squashfs", &Image::medium("vfat")?, &Image::small("squashfs")?, place)
}
