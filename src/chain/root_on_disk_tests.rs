//! Tests of `root_on_disk` with hostile disks. Those that other programs made are in tests/root_on_disk.rs.

use std::time::Duration;

use super::disk::Disk;
use super::disk_tests::{ESP, LINUX, SECTOR, fat, gpt, put};
use super::root_on_disk::find;
use crate::error::Result;
use crate::media::device_name::DeviceName;
use crate::media::image_request::ImageRequest;
use crate::media::image_source::ImageSource;
use crate::media::rootflags::RootFlags;
use crate::media::wait::Wait;

const SECOND: &str = "PARTUUID=02020202-0202-0202-0202-020202020202";

/// The start of a squashfs of this length.
fn squashfs(bytes: u64) -> Vec<u8> {
    let mut head = vec![0; 96];
    put(&mut head, 0, b"hsqs");
    put(&mut head, 28, [4]);
    put(&mut head, 40, bytes.to_le_bytes());
    head
}

/// Where an image is, in words and on the disk; how much of it is measured; what is assumed.
type Found = (String, Vec<(u64, u64)>, u64, Vec<String>);

/// The image that the words name.
fn found(disk: &Vec<u8>, root: &str, path: Option<&str>) -> Result<Found> {
    let device = if root.is_empty() { None } else { Some(DeviceName::parse(root)?) };
    let source = ImageSource::named(device, path.map(str::to_owned))?;
    let (flags, wait) = (RootFlags::default(), Wait::at_most(Duration::ZERO));
    let request = ImageRequest { prepared: false, fstypes: &[], flags: &flags, wait };
    let disk = Disk::open(disk, disk.len() as u64, None)?;
    let found = find(&disk, &source, request)?;
    Ok((found.place, found.stretches.places(), found.bytes, found.assumes))
}

fn error(disk: &Vec<u8>, root: &str, path: Option<&str>) -> String {
    found(disk, root, path).map(|(place, ..)| place).unwrap_err().to_string()
}

#[test]
fn a_partition_has_as_many_bytes_as_the_agent_measures_or_none() {
    let mut disk = gpt(&[(ESP, 34, 97), (LINUX, 98, 161)]);
    let at = 98 * SECTOR;
    disk[at..at + 64 * SECTOR].fill(0);
    put(&mut disk, at, squashfs(5000));
    let places = vec![(at as u64, 64 * 512)];
    let expected = (format!("partition 2 ({SECOND})"), places.clone(), 8192, vec![]);
    assert_eq!(found(&disk, SECOND, None).unwrap(), expected);
    let node = found(&disk, "/dev/vda2", None).unwrap();
    assert_eq!(node, ("partition 2 (/dev/vda2)".into(), places, 8192, vec!["this disk is /dev/vda".into()]));
    put(&mut disk, at + 8191, [1]);
    assert!(error(&disk, SECOND, None).contains("the 3192 bytes behind its squashfs are not zeros"));
    for (bytes, cause) in [
        (64 * 512 + 1, "its squashfs has 32769 bytes, the device has 32768"),
        (u64::MAX, "the device has 32768"),
        (0, "its squashfs has 0 bytes"),
    ] {
        put(&mut disk, at, squashfs(bytes));
        let said = error(&disk, SECOND, None);
        assert!(said.contains(cause), "{said}");
    }
    put(&mut disk, at, [0; 96]);
    assert!(error(&disk, SECOND, None).contains("no known file system is on it"));
}

#[test]
fn the_devices_are_those_of_the_kernel_and_the_first_one_counts() {
    // Partitions that overlap, or that the header does not allow, are none for firmware.
    let with_image = |partitions: &[(&'static str, u64, u64)], sector: usize| {
        let mut disk = gpt(partitions);
        disk[sector * SECTOR..(sector + 8) * SECTOR].fill(0);
        put(&mut disk, sector * SECTOR, squashfs(96));
        disk
    };
    let disk = with_image(&[(ESP, 34, 97), (LINUX, 110, 170), (LINUX, 160, 170)], 110);
    assert_eq!(found(&disk, SECOND, None).unwrap().2, 4096);
    let disk = with_image(&[(ESP, 34, 97), (LINUX, 268, 290)], 268);
    assert_eq!(found(&disk, SECOND, None).unwrap().2, 4096);
    let disk = gpt(&[(ESP, 34, 97), (LINUX, 268, 300)]);
    assert!(error(&disk, SECOND, None).contains("is on no partition of this disk"));
    // All partitions have the same name here.
    let disk = with_image(&[(LINUX, 34, 97), (ESP, 98, 161)], 34);
    let (place, _, _, assumes) = found(&disk, "PARTLABEL=na", None).unwrap();
    let first = "the agent takes the first of those that are PARTLABEL=na: partition 1, partition 2";
    assert_eq!((place.as_str(), assumes[0].as_str()), ("partition 1 (PARTLABEL=na)", first));
    assert_eq!(assumes[1..], ["no other disk of the machine has PARTLABEL=na"]);
    // The first one counts, even if the second one would boot. The agent sorts names, and 10 comes before 2.
    let disk = with_image(&[(ESP, 34, 97), (LINUX, 98, 161)], 98);
    assert!(error(&disk, "PARTLABEL=na", None).contains("vfat is a file system for a medium"));
    let ten: Vec<_> = (0..10).map(|n| (if n == 9 { LINUX } else { ESP }, 34 + n * 20, 53 + n * 20)).collect();
    let mut disk = with_image(&ten, 214);
    // Only these two have the name.
    for number in [0, 2, 3, 4, 5, 6, 7, 8] {
        for array in [2, 267] {
            put(&mut disk, array * SECTOR + number * 128 + 56, [0; 4]);
        }
    }
    super::disk_tests::signed_all(&mut disk);
    assert_eq!(found(&disk, "PARTLABEL=na", None).unwrap().0, "partition 10 (PARTLABEL=na)");
}

#[test]
fn a_name_that_the_disk_does_not_decide_is_an_error() {
    let disk = gpt(&[(ESP, 34, 97), (LINUX, 98, 161)]);
    for (root, cause) in [
        ("/dev/vdb2", "the bytes of a disk do not say whether it is this one"),
        ("/dev/vda02", "do not say whether"),
        ("/dev/nvme0n12", "do not say whether"),
        ("/dev/sr01", "do not say whether"),
        ("/dev/vda99999999999", "do not say whether"),
        ("/dev/vda3", "this disk has no such partition"),
        ("/dev/nvme0n1p3", "this disk has no such partition"),
        ("/dev/mmcblk0p0", "this disk has no such partition"),
        ("/dev/sda", "no known file system is on it"),
        ("LABEL=x", "a squashfs has no label and no UUID"),
        ("UUID=1234-ABCE", "is on no partition of this disk"),
        ("PARTLABEL=NA", "is on no partition of this disk"),
        ("UUID=1234-abcd", "vfat is a file system for a medium"),
        ("LABEL=A LABEL", "vfat is a file system for a medium"),
    ] {
        let said = error(&disk, root, None);
        assert!(said.contains(cause), "{root}: {said}");
    }
}

#[test]
fn a_file_is_followed_through_the_clusters() {
    // The file has the clusters 4 and 9.
    let mut fat = fat();
    put(&mut fat, SECTOR + 6, [9, 0xF0]);
    put(&mut fat, SECTOR + 13, [0xF0, 0xFF]);
    put(&mut fat, 5 * SECTOR, squashfs(600));
    let path = Some("efi/boot/BOOTX64.EFI");
    let expected = vec![(5 * 512, 512), (10 * 512, 88)];
    for root in ["LABEL=A LABEL", "/dev/vda", ""] {
        let (place, places, bytes, assumes) = found(&fat, root, path).unwrap();
        assert_eq!((places, bytes, assumes.len()), (expected.clone(), 600, 1), "{place}");
    }
    assert!(error(&fat, "/dev/vda", Some("EFI")).contains("/EFI on the disk (/dev/vda): no such file"));
    assert!(error(&fat, "", Some("EFI")).contains("is on no FAT and no CD of this disk"));
    put(&mut fat, 5 * SECTOR, squashfs(601));
    assert!(error(&fat, "/dev/vda", path).contains("its squashfs has 601 bytes, the file has 600"));
    assert!(error(&fat, "", path).contains("is on no FAT and no CD of this disk"));
    // A chain that ends before the file, and a file system that ends before its clusters.
    put(&mut fat, SECTOR + 6, [0xFF, 0xFF]);
    assert!(error(&fat, "/dev/vda", path).contains("its chain of clusters ends before"));
    assert!(error(&fat, "", path).contains("its chain of clusters ends before"));
    put(&mut fat, SECTOR + 6, [9, 0xF0]);
    fat.truncate(10 * SECTOR + 87);
    assert!(error(&fat, "/dev/vda", path).contains("is beyond the end of its partition"));
}

#[test]
fn what_another_file_system_may_have_is_not_known() {
    // A squashfs may have the file, and is asked before the FAT.
    let mut disk = gpt(&[(LINUX, 34, 97), (ESP, 98, 161)]);
    put(&mut disk, 34 * SECTOR, squashfs(96));
    let said = error(&disk, "", Some("EFI/BOOT/BOOTX64.EFI"));
    assert!(said.contains("partition 1: /EFI/BOOT/BOOTX64.EFI: is on squashfs, whose files are not read"), "{said}");
    let mut disk = gpt(&[(ESP, 34, 97), (LINUX, 98, 161)]);
    put(&mut disk, 98 * SECTOR, squashfs(96));
    put(&mut disk, 39 * SECTOR, squashfs(600));
    let (place, _, bytes, assumes) = found(&disk, "", Some("EFI/BOOT/BOOTX64.EFI")).unwrap();
    assert_eq!((place.as_str(), bytes), ("/EFI/BOOT/BOOTX64.EFI on partition 1", 600));
    assert_eq!(assumes, ["no other disk of the machine has /EFI/BOOT/BOOTX64.EFI"]);
}
