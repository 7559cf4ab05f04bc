//! Tests of `disk` and of what it reads: hostile partition tables and file systems. Those that other programs made are in
//! tests/disk.rs.
#![allow(clippy::cast_possible_truncation)] // All numbers here are small.

use super::disk::Disk;
use super::gpt_event::MeasuredTable;
use super::made_pe::MadePe;
use super::partition::{Purpose, Table};
use super::region::Region;
use super::volume::BootOption;
use crate::error::Result;
use crate::hash::bank::Bank;

pub(super) const SECTOR: usize = 512;
/// How many sectors the made FAT has: the boot sector, the table, the root folder, clusters of one sector.
const SECTORS: usize = 64;
const TABLE: usize = SECTOR;
const ROOT: usize = 2 * SECTOR;
pub(super) const ESP: &str = "28732ac11ff8d211ba4b00a0c93ec93b";
pub(super) const LINUX: &str = "af3dc60f838472478e793d69d8477de4";

/// Changes bytes.
pub(super) fn put(bytes: &mut [u8], at: usize, part: impl AsRef<[u8]>) {
    bytes[at..at + part.as_ref().len()].copy_from_slice(part.as_ref());
}

/// An entry of a folder.
pub(super) fn entry(name: &[u8; 11], attributes: u8, cluster: u16, length: u32) -> Vec<u8> {
    let mut entry = [name.as_slice(), &[attributes]].concat();
    entry.resize(32, 0);
    put(&mut entry, 26, cluster.to_le_bytes());
    put(&mut entry, 28, length.to_le_bytes());
    entry
}

/// A FAT12 with the folders EFI (cluster 2) and EFI/BOOT (cluster 3), and BOOTX64.EFI in it (cluster 4 and 5).
pub(super) fn fat() -> Vec<u8> {
    let mut fat = vec![0; SECTORS * SECTOR];
    for (at, bytes) in [
        (11, &[0, 2, 1, 1, 0, 1, 16, 0, 64, 0, 0xF8, 1, 0][..]),
        (39, &[0xCD, 0xAB, 0x34, 0x12]),
        (510, &[0x55, 0xAA]),
        // The entries 0 to 5: 2 and 3 end, 4 leads to 5.
        (TABLE, &[0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 5, 0xF0, 0xFF]),
        (ROOT, &entry(b"EFI        ", 0x10, 2, 0)),
        (ROOT + 32, &entry(b"A LABEL    ", 0x08, 0, 0)),
        (3 * SECTOR, &entry(b"BOOT       ", 0x10, 3, 0)),
        (4 * SECTOR, &entry(b"BOOTX64 EFI", 0x20, 4, 600)),
        (5 * SECTOR, &[7; 600]),
    ] {
        put(&mut fat, at, bytes);
    }
    fat
}

/// A partition: its type, its first sector and its last one.
type Part = (&'static str, u64, u64);

/// A GPT with partitions. Each gets a FAT.
pub(super) fn gpt(partitions: &[Part]) -> Vec<u8> {
    let mut disk = vec![0; 300 * SECTOR];
    put(&mut disk, 450, [0xEE]);
    put(&mut disk, 454, [1, 0, 0, 0, 0xFF, 0, 0, 0]);
    put(&mut disk, 510, [0x55, 0xAA]);
    let mut array = vec![0; 128 * 128];
    for (number, (kind, first, last)) in partitions.iter().enumerate() {
        let at = number * 128;
        put(&mut array, at, hex::decode(kind).unwrap());
        put(&mut array, at + 16, [number as u8 + 1; 16]);
        put(&mut array, at + 32, [first.to_le_bytes(), last.to_le_bytes()].concat());
        put(&mut array, at + 56, b"n\0a\0");
        let start = (*first as usize).saturating_mul(SECTOR);
        if start.saturating_add(SECTORS * SECTOR) <= disk.len() && start > 0 {
            put(&mut disk, start, fat());
        }
    }
    put(&mut disk, 2 * SECTOR, &array);
    put(&mut disk, 267 * SECTOR, &array);
    for (own, entries) in [(1_u64, 2_u64), (299, 267)] {
        let mut header = vec![0; 92];
        put(&mut header, 0, b"EFI PART\0\0\x01\0\x5C\0\0\0");
        put(&mut header, 24, own.to_le_bytes());
        put(&mut header, 40, [34_u64.to_le_bytes(), 266_u64.to_le_bytes()].concat());
        put(&mut header, 72, entries.to_le_bytes());
        put(&mut header, 80, [128_u32.to_le_bytes(), 128_u32.to_le_bytes()].concat());
        put(&mut header, 88, crc32fast::hash(&array).to_le_bytes());
        let at = own as usize * SECTOR;
        put(&mut disk, at, &header);
        signed(&mut disk, at);
    }
    disk
}

/// Writes the check sums of a GPT whose entries were changed.
pub(super) fn signed_all(disk: &mut [u8]) {
    for (header, array) in [(SECTOR, 2 * SECTOR), (299 * SECTOR, 267 * SECTOR)] {
        let sum = crc32fast::hash(&disk[array..array + 128 * 128]);
        put(disk, header + 88, sum.to_le_bytes());
        signed(disk, header);
    }
}

/// Writes the check sum of the header at a place.
fn signed(disk: &mut [u8], at: usize) {
    put(disk, at + 16, [0; 4]);
    let sum = crc32fast::hash(&disk[at..at + 92]);
    put(disk, at + 16, sum.to_le_bytes());
}

/// The numbers of the partitions.
fn numbers(disk: &Vec<u8>) -> Result<Vec<u32>> {
    let disk = Disk::open(disk, disk.len() as u64, None)?;
    Ok(disk.volumes.iter().filter_map(|volume| volume.partition.map(|(_, number)| number)).collect())
}

/// What a made FAT says of its program.
pub(super) fn program(fat: &Vec<u8>) -> Result<Option<Vec<u8>>> {
    let disk = Disk::open(fat, fat.len() as u64, None)?;
    disk.volumes[0].files()?.read("efi/boot/bootx64.EFI", 1000)
}

#[test]
fn a_file_system_has_what_a_boot_loader_finds_it_by() {
    let disk = gpt(&[(LINUX, 34, 97), (ESP, 98, 161)]);
    let disk = Disk::open(&disk, disk.len() as u64, None).unwrap();
    let [other, esp] = disk.volumes.as_slice() else { panic!("{}", disk.volumes.len()) };
    assert_eq!((other.purpose, esp.purpose), (Purpose::Other, Purpose::Esp));
    assert_eq!((esp.partition, esp.name.as_str()), (Some((Table::Gpt, 2)), "partition 2 (na)"));
    assert_eq!(esp.partuuid.as_deref(), Some("02020202-0202-0202-0202-020202020202"));
    assert_eq!((esp.partlabel.as_deref(), esp.label.as_deref()), (Some("na"), Some("A LABEL")));
    assert_eq!((esp.uuid.as_deref(), esp.region.start()), (Some("1234-ABCD"), 98 * 512));
    let files = esp.files().unwrap();
    assert_eq!(files.read("EFI/BOOT/BOOTX64.EFI", 600).unwrap(), Some(vec![7; 600]));
    assert!(files.read("EFI/BOOT/BOOTX64.EFI", 599).unwrap_err().to_string().contains("longer than 599 bytes"));
    assert_eq!((files.names("efi/boot").unwrap(), files.names("").unwrap()), (vec!["BOOTX64.EFI".into()], vec![]));
    for none in ["EFI", "EFI/BOOT/BOOTX64.EFI/x", "x", "", "EFI/../EFI/BOOT/BOOTX64.EFI", &"x/".repeat(99)] {
        assert_eq!(files.read(none, 9).unwrap(), None, "{none}");
    }
}

#[test]
fn a_damaged_header_gives_way_to_the_backup_and_two_are_an_error() {
    let good = gpt(&[(ESP, 34, 97)]);
    let damages: [(usize, Vec<u8>, bool, &str); 8] = [
        (56, vec![9], false, "wrong check sum"),
        (24, vec![9], true, "another sector"),
        (84, vec![1], true, "of a length"),
        (84, 8192_u32.to_le_bytes().into(), true, "of a length"),
        (80, u32::MAX.to_le_bytes().into(), true, "more entries"),
        (72, u64::MAX.to_le_bytes().into(), true, "beyond the end"),
        (88, vec![0; 4], true, "entries with a wrong check sum"),
        (12, vec![0xFF; 4], true, "wrong check sum"),
    ];
    for (at, bytes, is_signed, cause) in damages {
        let mut disk = good.clone();
        for (header, is_last) in [(SECTOR, false), (299 * SECTOR, true)] {
            put(&mut disk, header + at, &bytes);
            if is_signed {
                signed(&mut disk, header);
            }
            match numbers(&disk) {
                Ok(found) => assert!(!is_last && found == [1], "{cause}: {found:?}"),
                Err(error) => assert!(is_last && error.to_string().contains(cause), "{cause}: {error}"),
            }
        }
    }
    // Without the header's name, there is no GPT.
    let mut disk = good;
    put(&mut disk, SECTOR, b"x");
    assert_eq!(numbers(&disk).unwrap(), [1]);
    put(&mut disk, 299 * SECTOR, b"x");
    assert_eq!(numbers(&disk).unwrap(), [0; 0]);
}

#[test]
fn a_partition_that_firmware_does_not_show_is_none() {
    let table: [(&[Part], &[u32]); 6] = [
        (&[(ESP, 34, 97), (LINUX, 98, 98)], &[1, 2]),
        (&[(ESP, 34, 97), (LINUX, 97, 98)], &[]),
        (&[(ESP, 33, 97)], &[]),
        (&[(ESP, 34, 267)], &[]),
        (&[(ESP, 98, 97)], &[]),
        (&[(ESP, 34, u64::MAX)], &[]),
    ];
    for (partitions, expected) in table {
        assert_eq!(numbers(&gpt(partitions)).unwrap(), expected, "{partitions:?}");
    }
    // A header that calls all sectors usable.
    for (first, last) in [(0, u64::MAX), (34, u64::MAX), (u64::MAX, u64::MAX)] {
        let mut disk = gpt(&[(ESP, first, last)]);
        put(&mut disk, SECTOR + 40, [0_u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat());
        signed(&mut disk, SECTOR);
        assert_eq!(numbers(&disk).unwrap(), [0; 0]);
    }
}

#[test]
fn logical_partitions_have_numbers_from_5_and_a_circle_of_them_ends() {
    let mut disk = vec![0; 300 * SECTOR];
    let table = |disk: &mut Vec<u8>, sector: usize, entries: &[(u8, u32, u32)]| {
        for (number, (kind, first, count)) in entries.iter().enumerate() {
            let at = sector * SECTOR + 446 + number * 16;
            put(disk, at + 4, [*kind]);
            put(disk, at + 8, [first.to_le_bytes(), count.to_le_bytes()].concat());
        }
        put(disk, sector * SECTOR + 510, [0x55, 0xAA]);
    };
    put(&mut disk, 440, [4, 3, 2, 1]);
    table(&mut disk, 0, &[(0, 1, 1), (0xEF, 1, 64), (0x05, 100, 200)]);
    table(&mut disk, 100, &[(0x83, 1, 5), (0x05, 50, 10)]);
    table(&mut disk, 150, &[(0xEF, 1, 64)]);
    put(&mut disk, SECTOR, fat());
    put(&mut disk, 151 * SECTOR, fat());
    assert_eq!(numbers(&disk).unwrap(), [2, 5, 6]);
    let opened = Disk::open(&disk, disk.len() as u64, None).unwrap();
    let ids: Vec<_> = opened.volumes.iter().map(|volume| volume.partuuid.clone().unwrap()).collect();
    assert_eq!(ids, ["01020304-02", "01020304-05", "01020304-06"]);
    assert!(opened.volumes[2].files.is_ok() && opened.volumes[2].purpose == Purpose::Esp);
    drop(opened);
    table(&mut disk, 150, &[(0xEF, 1, 64), (0x05, 0, 10)]);
    assert_eq!(numbers(&disk).unwrap().len(), 251);
    // One entry that cannot be right makes it no table.
    table(&mut disk, 0, &[(0, 1, 1), (0xEF, 1, 64), (0x83, 299, 2)]);
    assert_eq!(numbers(&disk).unwrap(), [0; 0]);
}

#[test]
fn a_damaged_file_system_is_an_error_by_name() {
    assert_eq!(program(&fat()).unwrap(), Some(vec![7; 600]));
    let table: [(usize, &[u8], &str); 12] = [
        // A circle of clusters in the folder EFI, then one that leads out of the file system.
        (TABLE + 3, &[0x02, 0xF0], "folder: has more than 2097152 bytes"),
        (TABLE + 3, &[0x7F, 0xF0], "cluster 127: is in a chain, but is no cluster"),
        (TABLE + 3, &[0, 0xF0], "cluster 0: is in a chain"),
        (TABLE + 3, &[0xF7, 0xFF], "cluster 4087: is in a chain"),
        // The chain of the file is shorter than the file.
        (TABLE + 6, &[0xFF, 0xFF], "has 600 bytes, but its chain of clusters ends before"),
        (4 * SECTOR + 26, &[0, 0], "cluster 0: is in a chain"),
        (4 * SECTOR + 28, &[0, 0x80], "file: is longer than its file system"),
        (19, &[2, 0], "FAT: has tables larger than itself"),
        (17, &[0xFF, 0xFF], "FAT: has tables larger than itself"),
        (13, &[3], "is no FAT"),
        (11, &[0, 0], "is no FAT"),
        (14, &[0, 0], "is no FAT"),
    ];
    for (at, bytes, cause) in table {
        let mut fat = fat();
        put(&mut fat, at, bytes);
        let limit = if cause.contains("longer than its") { u64::MAX } else { 1000 };
        let disk = Disk::open(&fat, fat.len() as u64, None).unwrap();
        let read = disk.volumes[0].files().and_then(|files| files.read("EFI/BOOT/BOOTX64.EFI", limit));
        let error = read.unwrap_err().to_string();
        assert!(error.contains(cause), "{cause}: {error}");
    }
    // A circle in a file's chain ends with the file.
    let mut circle = fat();
    put(&mut circle, TABLE + 6, [4, 0]);
    assert_eq!(program(&circle).unwrap().map(|bytes| bytes.len()), Some(600));
    // A file system that was cut off.
    let cut = fat()[..5 * SECTOR + 599].to_vec();
    let error = program(&cut).unwrap_err().to_string();
    assert!(error.starts_with("efi/boot/bootx64.EFI: byte 1024: is beyond the end"), "{error}");
}

#[test]
fn fat32_is_what_its_boot_sector_calls_so_however_small() {
    let mut fat = vec![0; SECTORS * SECTOR];
    for (at, bytes) in [
        (11, &[0, 2, 1, 1, 0, 1, 0, 0, 64, 0, 0xF8, 0, 0][..]),
        (36, &[1]),
        (44, &[2]),
        (510, &[0x55, 0xAA]),
        // The root folder has two clusters, 2 and 4; the upper four bits do not count.
        (TABLE + 8, &[4, 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0x0F, 0xF8, 0xFF, 0xFF, 0x0F]),
        (2 * SECTOR, &entry(b"A          ", 0x08, 0, 0).repeat(16)),
        (3 * SECTOR, b"here"),
        (4 * SECTOR, &entry(b"FILE       ", 0, 3, 4)),
    ] {
        put(&mut fat, at, bytes);
    }
    let read = |fat: &Vec<u8>| {
        let disk = Disk::open(fat, fat.len() as u64, None)?;
        disk.volumes[0].files()?.read("file", 9)
    };
    assert_eq!(read(&fat).unwrap().as_deref(), Some(b"here".as_slice()));
    // One without a mirror, and one of another version.
    for (at, byte) in [(40, 0x80), (42, 1), (44, 1), (44, 64)] {
        let mut other = fat.clone();
        put(&mut other, at, [byte]);
        assert!(read(&other).is_err(), "byte {at}");
    }
}

#[test]
fn each_partition_with_a_program_is_a_boot_and_nothing_is_guessed() {
    let starts = |disk: &Vec<u8>, program: Option<&str>| {
        let opened = Disk::open(disk, disk.len() as u64, None).unwrap();
        let starts = opened.starts(BootOption { program, append: None }, &[Bank::Sha256])?;
        Ok::<_, crate::error::Error>(starts.into_iter().map(|start| start.place).collect::<Vec<_>>())
    };
    let error = |disk: &Vec<u8>, program| starts(disk, program).unwrap_err().to_string();
    let disk = gpt(&[(LINUX, 34, 97), (ESP, 98, 161), (ESP, 162, 225)]);
    assert!(
        error(&disk, None).starts_with("partition 2 (na): EFI/BOOT/BOOTX64.EFI: PE file: "),
        "{}",
        error(&disk, None)
    );
    assert!(error(&disk, Some("\\x.efi")).starts_with("partition 2 (na): \\x.efi: is not on the partition"));
    assert!(error(&gpt(&[]), None).starts_with("disk: has no EFI system partition"));
    // A unified kernel image on the second one: the first one still may start.
    let stub = MadePe::new().exact(b".sdmagic", b"#### LoaderInfo: systemd-stub 257 ####");
    let uki = stub.exact(b".linux", &MadePe::new().linux("6.12.1").bytes()).bytes();
    let mut with_uki = disk.clone();
    let at = 162 * SECTOR;
    put(&mut with_uki, at + 5 * SECTOR, &uki);
    put(&mut with_uki, at + 4 * SECTOR, entry(b"BOOTX64 EFI", 0x20, 4, u32::try_from(uki.len()).unwrap()));
    // The clusters 4 to 13, one behind the other.
    let chain = [(5, 6), (7, 8), (9, 10), (11, 12), (13, 0xFFF)];
    let packed =
        chain.map(|(even, odd): (u16, u16)| [even as u8, (even >> 8) as u8 | (odd << 4) as u8, (odd >> 4) as u8]);
    put(&mut with_uki, at + TABLE + 6, packed.concat());
    assert_eq!(starts(&with_uki, None).unwrap(), ["partition 2 (na)", "partition 3 (na)"]);
    // One without a program does not.
    put(&mut with_uki, 98 * SECTOR + 4 * SECTOR, [0xE5]);
    assert_eq!(starts(&with_uki, None).unwrap(), ["partition 3 (na)"]);
    assert_eq!(starts(&with_uki, Some("/efi\\boot//BOOTx64.efi")).unwrap(), ["partition 3 (na)"]);
    // Without a type that says so, any FAT may be one.
    let mut untyped = gpt(&[(LINUX, 34, 97)]);
    assert!(error(&untyped, None).starts_with("partition 1 (na): EFI/BOOT/BOOTX64.EFI: PE file"));
    put(&mut untyped, 38 * SECTOR, [0xE5]);
    assert!(error(&untyped, None).starts_with("disk: has no EFI system partition"));
}

#[test]
fn firmware_measures_the_first_header_and_the_entries_that_are_used() {
    let mut disk = gpt(&[(ESP, 40, 103), (LINUX, 110, 173)]);
    let table = |disk: &Vec<u8>| MeasuredTable::of(Region::whole(disk, disk.len() as u64), None, &[Bank::Sha256]);
    let data = [&disk[SECTOR..SECTOR + 92], &2_u64.to_le_bytes(), &disk[2 * SECTOR..2 * SECTOR + 256]].concat();
    let MeasuredTable::Gpt(event) = table(&disk) else { panic!("no event") };
    assert_eq!(event.digests[&Bank::Sha256], Bank::Sha256.digest(&data));
    // The backup is not what is measured.
    put(&mut disk, SECTOR + 16, [0; 4]);
    let MeasuredTable::Unknown(why) = table(&disk) else { panic!("an event") };
    assert!(why.contains("the first GPT header is damaged"), "{why}");
    assert!(numbers(&disk).is_ok());
}
