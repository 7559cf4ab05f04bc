//! Reads the PARTUUID of a partition from its disk's partition table. Kernels before 6.10 do not show it in sysfs.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::cursor::{self, Fields};

/// Reads the identifier of partition `number` (from 1) as blkid prints it; `None` if the disk has no table that
/// gives one. `sector` is the disk's logical sector size in bytes.
#[must_use]
pub fn uuid(disk: &File, sector: u64, number: u32) -> Option<String> {
    gpt_uuid(disk, sector, number).or_else(|| dos_uuid(disk, number))
}

/// UEFI 2.10, section 5.3: the header in the second sector points to an array of entries.
fn gpt_uuid(disk: &File, sector: u64, number: u32) -> Option<String> {
    let mut header = [0; 92];
    disk.read_exact_at(&mut header, sector).ok()?;
    let fields = Fields(&header);
    let (array, entries, size) = (fields.u64_le(72)?, fields.u32_le(80)?, fields.u32_le(84)?);
    let sane = header.starts_with(b"EFI PART") && (1..=entries).contains(&number) && (128..=4096).contains(&size);
    let index = u64::from(number.checked_sub(1).filter(|_| sane)?);
    let mut entry = [0; 32];
    let at = array.checked_mul(sector)?.checked_add(index * u64::from(size))?;
    disk.read_exact_at(&mut entry, at).ok()?;
    Fields(&entry).at(16).map(cursor::guid)
}

/// The identifier is the disk's signature in the boot sector and the partition's number (kernel, block/partitions/msdos.c).
fn dos_uuid(disk: &File, number: u32) -> Option<String> {
    let mut boot_sector = [0; 512];
    disk.read_exact_at(&mut boot_sector, 0).ok()?;
    let fields = Fields(&boot_sector);
    let signature = fields.u32_le(440)?;
    (fields.at(510) == Some([0x55, 0xaa]) && signature != 0).then(|| format!("{signature:08x}-{number:02x}"))
}
