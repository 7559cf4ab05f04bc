//! The partitions of a disk, from the table that firmware would use.

use super::partition::{Partition, Table};
use super::region::Region;
use super::{gpt, mbr};
use crate::error::Result;

/// The sizes of sectors that a disk can have, in bytes: the first is that of nearly all disks.
pub(super) const SECTORS: [u32; 2] = [512, 4096];

/// The partitions of a disk, and their table. `sector` is the size of its sectors, if it is a device and not a file. `None` if there
/// is no table.
///
/// # Errors
/// If firmware would not use the table, or if it cannot be read.
pub(super) fn of(disk: Region<'_>, sector: Option<u32>) -> Result<Option<(Table, Vec<Partition<'_>>)>> {
    let head = disk.head(0, mbr::BYTES)?;
    let sizes = sector.as_ref().map_or(&SECTORS[..], std::slice::from_ref);
    if mbr::is_protective(&head)
        && let Some(partitions) = sizes.iter().find_map(|&sector| gpt::partitions(disk, sector).transpose())
    {
        return partitions.map(|partitions| Some((Table::Gpt, partitions)));
    }
    let partitions = mbr::partitions(disk, &head, sector.unwrap_or(SECTORS[0]))?;
    Ok(partitions.map(|partitions| (Table::Mbr, partitions)))
}

/// Why a disk has no EFI system partition for firmware, although it may look as if it had one. `None` if its table has none.
pub(super) fn why_no_esp(disk: Region<'_>, sector: Option<u32>) -> Option<String> {
    let head = disk.head(0, mbr::BYTES).ok()?;
    let sizes = sector.as_ref().map_or(&SECTORS[..], std::slice::from_ref);
    let hidden: Vec<_> = sizes.iter().flat_map(|&sector| gpt::hidden_esps(disk, sector)).collect();
    if !mbr::is_protective(&head) {
        return mbr::beyond_the_end(disk, &head, sector.unwrap_or(SECTORS[0]));
    }
    if !hidden.is_empty() {
        return Some(hidden.join("; "));
    }
    let has_table = sizes.iter().any(|&sector| gpt::has_header(disk, sector));
    (!has_table).then(|| "the boot sector says that the disk has a GPT, and there is no GPT header".to_owned())
}
