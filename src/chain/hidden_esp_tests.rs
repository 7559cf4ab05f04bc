//! Tests of the reason why a disk has no EFI system partition for firmware, although its table has one.

use super::disk::Disk;
use super::disk_tests::{ESP, LINUX, SECTOR, gpt, put, signed_all};
use super::volume::BootOption;
use crate::hash::bank::Bank;

/// Why firmware starts nothing of a disk.
fn why(disk: &Vec<u8>) -> String {
    let found = Disk::open(disk, disk.len() as u64, None).unwrap();
    found.starts(BootOption::default(), &[Bank::Sha256]).unwrap_err().to_string()
}

#[test]
fn the_reason_is_the_one_that_firmware_has() {
    let mut hidden = gpt(&[(ESP, 40, 110)]);
    for array in [2 * SECTOR, 267 * SECTOR] {
        put(&mut hidden, array + 48, [2]);
    }
    signed_all(&mut hidden);
    let mut no_header = gpt(&[(ESP, 40, 110)]);
    for header in [SECTOR, 299 * SECTOR] {
        put(&mut no_header, header, [0; 92]);
    }
    let mut cut = vec![0; 100 * SECTOR];
    put(&mut cut, 450, [0xEF]);
    put(&mut cut, 454, [1, 0, 0, 0, 0xFF, 0, 0, 0]);
    put(&mut cut, 510, [0x55, 0xAA]);
    for (disk, expected) in [
        (gpt(&[(ESP, 40, 110), (LINUX, 100, 200)]), "partition 1 overlaps partition 2"),
        (
            gpt(&[(LINUX, 100, 200), (ESP, 40, 110), (ESP, 105, 120)]),
            "2 overlaps partition 1; partition 3 overlaps partition 1",
        ),
        (gpt(&[(ESP, 40, 267)]), "partition 1 has the sectors 40 to 267, but the header allows 34 to 266"),
        (gpt(&[(ESP, 110, 40)]), "partition 1 ends before it begins"),
        (hidden, "partition 1 has the attribute \"no block IO protocol\""),
        (no_header, "the boot sector says that the disk has a GPT, and there is no GPT header"),
        (cut, "partition 1 ends behind the end of the disk, which has 51200 bytes"),
    ] {
        let why = why(&disk);
        let is_said = why.starts_with("disk: has no EFI system partition for firmware: ") && why.contains(expected);
        assert!(is_said, "{expected}: {why}");
    }
    // None is none.
    assert!(why(&gpt(&[])).starts_with("disk: has no EFI system partition ("));
}
