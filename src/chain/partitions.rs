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
