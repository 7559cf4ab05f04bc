//! Tests of file systems in which several files have one name.

use super::disk::Disk;
use super::disk_tests::{entry, fat, program, put};
use super::volume::BootOption;
use crate::hash::bank::Bank;

/// The folder EFI/BOOT of the made FAT, whose first entry is BOOTX64.EFI.
const BOOT: usize = 4 * 512;

/// A part of a long name that has no other: up to 13 characters (Microsoft's FAT specification 1.03, section 7).
fn long_name(text: &str, short: &[u8; 11]) -> Vec<u8> {
    let sum = short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut part = vec![0; 32];
    (part[0], part[11], part[13]) = (0x41, 0x0F, sum);
    let units: Vec<u16> = text.encode_utf16().chain([0]).chain([0xFFFF; 13]).take(13).collect();
    for (at, unit) in [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30].into_iter().zip(units) {
        put(&mut part, at, unit.to_le_bytes());
    }
    part
}

#[test]
fn of_two_files_with_one_name_none_is_chosen() {
    let good = entry(b"BOOTX64 EFI", 0x20, 4, 600);
    let other = |short: &[u8; 11]| entry(short, 0x20, 5, 10);
    let long = |text: &str, short: &[u8; 11]| [long_name(text, short), other(short)].concat();
    let table = [
        // Two short names, in either order; a long name, in other letters; a short name behind another long name.
        ([good.clone(), other(b"BOOTX64 EFI")].concat(), false),
        ([other(b"BOOTX64 EFI"), good.clone()].concat(), false),
        ([good.clone(), long("bootx64.efi", b"BOOTX6~1EFI")].concat(), false),
        ([long("a program.efi", b"BOOTX64 EFI"), good.clone()].concat(), false),
        // A deleted one, and one that only begins so.
        ([good.clone(), other(b"\xE5OOTX64 EFI")].concat(), true),
        ([good.clone(), long("bootx64.efi.x", b"BOOTX6~1EFI")].concat(), true),
    ];
    for (number, (folder, is_one)) in table.into_iter().enumerate() {
        let mut disk = fat();
        put(&mut disk, BOOT, folder);
        let read = program(&disk).map_err(|error| error.to_string());
        let opened = Disk::open(&disk, disk.len() as u64, None).unwrap();
        let started = opened.starts(BootOption::default(), &[Bank::Sha256]).unwrap_err().to_string();
        if is_one {
            assert_eq!(read, Ok(Some(vec![7; 600])), "{number}");
            continue;
        }
        let cause = "is the name of several files of its folder";
        assert!(read.as_ref().is_err_and(|error| error.contains(cause)), "{number}: {read:?}");
        assert!(started.contains(cause), "{number}: {started}");
    }
}

#[test]
fn of_two_folders_with_one_name_none_is_chosen() {
    let mut disk = fat();
    put(&mut disk, 3 * 512 + 32, entry(b"BOOT       ", 0x10, 3, 0));
    let error = program(&disk).unwrap_err().to_string();
    assert!(error.starts_with("efi/boot/bootx64.EFI: boot: is the name of several files"), "{error}");
}
