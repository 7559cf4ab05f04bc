//! The partition table in the boot sector, MBR (UEFI 2.10, section 5.2; kernel, block/partitions/msdos.c).

use std::ops::Range;

use super::partition::{Partition, Purpose};
use super::region::Region;
use crate::cursor::Fields;
use crate::error::Result;

/// The length of the boot sector that has the table, whatever the disk's sectors have.
pub(super) const BYTES: usize = 512;
/// Where the four entries are, and the length of one.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const MAGIC: (usize, [u8; 2]) = (510, [0x55, 0xAA]);
/// Types of partitions: one that stands for all of a disk with GPT; an EFI system partition (UEFI 2.10, section 5.2.2).
const PROTECTIVE: u8 = 0xEE;
const ESP: u8 = 0xEF;
/// Types that have logical partitions.
const EXTENDED: [u8; 3] = [0x05, 0x0F, 0x85];
/// The number of the first logical partition.
const FIRST_LOGICAL: u32 = 5;
/// How many logical partitions are read. The kernel's limit is that of a disk: 256 (block/partitions/core.c, DISK_MAX_PARTS).
const MOST_LOGICAL: u32 = 250;

/// An entry that is used: its type, and the sectors it has.
struct Entry {
    slot: u32,
    kind: u8,
    sectors: Range<u64>,
}

fn entries(sector: &[u8]) -> Vec<Entry> {
    let fields = Fields(sector);
    if fields.at(MAGIC.0) != Some(MAGIC.1) {
        return Vec::new();
    }
    let entry = |slot: u8| {
        let at = ENTRIES + usize::from(slot) * ENTRY;
        let ([kind], first, count) = (fields.at(at + 4)?, fields.u32_le(at + 8)?, fields.u32_le(at + 12)?);
        let sectors = u64::from(first)..u64::from(first) + u64::from(count);
        (kind != 0 && count != 0).then_some(Entry { slot: slot.into(), kind, sectors })
    };
    (0..4).filter_map(entry).collect()
}

/// Whether it says that the disk has GPT.
pub(super) fn is_protective(sector: &[u8]) -> bool {
    entries(sector).iter().any(|entry| entry.kind == PROTECTIVE)
}

/// The partitions, by the boot sector `head`. `None` if there is no table: no entry is used, or one of them cannot be right, as in the
/// boot sector of a file system.
///
/// # Errors
/// If the disk cannot be read.
pub(super) fn partitions<'a>(disk: Region<'a>, head: &[u8], sector: u32) -> Result<Option<Vec<Partition<'a>>>> {
    let entries = entries(head);
    let place = |sectors: &Range<u64>| {
        let bytes = |sectors: u64| sectors.checked_mul(sector.into());
        disk.part(bytes(sectors.start)?, bytes(sectors.end.checked_sub(sectors.start)?)?)
    };
    let signature = Fields(head).u32_le(440).filter(|&signature| signature != 0);
    let partition = |number: u32, entry: &Entry| {
        let purpose = if entry.kind == ESP { Purpose::Esp } else { Purpose::Other };
        let uuid = signature.map(|signature| format!("{signature:08x}-{number:02x}"));
        let region = place(&entry.sectors)?;
        Some(Partition { number, purpose, uuid, label: None, region, is_for_firmware: true })
    };
    // edk2 takes no table of which one entry is wrong (PartitionDxe/Mbr.c, PartitionValidMbr); isohybrid tables have entries that
    // overlap, and other firmware starts them.
    if entries.is_empty() || entries.iter().any(|entry| entry.kind != PROTECTIVE && place(&entry.sectors).is_none()) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for entry in &entries {
        if EXTENDED.contains(&entry.kind) {
            found.extend(logical(disk, entry, sector)?.iter().filter_map(|(number, own)| partition(*number, own)));
        } else if entry.kind != PROTECTIVE {
            found.extend(partition(entry.slot + 1, entry));
        }
    }
    Ok(Some(found))
}

/// The first entry that ends behind the end of the disk: for firmware, the boot sector is no table then.
pub(super) fn beyond_the_end(disk: Region<'_>, head: &[u8], sector: u32) -> Option<String> {
    let is_beyond = |entry: &&Entry| {
        let end = entry.sectors.end.checked_mul(sector.into());
        entry.kind != PROTECTIVE && end.is_none_or(|end| end > disk.length())
    };
    let entries = entries(head);
    let entry = entries.iter().find(is_beyond)?;
    Some(format!("partition {} ends behind the end of the disk, which has {} bytes", entry.slot + 1, disk.length()))
}

/// The logical partitions: a chain of tables, each with a partition and the place of the next table.
fn logical(disk: Region<'_>, extended: &Entry, sector: u32) -> Result<Vec<(u32, Entry)>> {
    let mut found = Vec::new();
    let mut table = extended.sectors.start;
    // The limit ends a chain that is a circle.
    for _ in 0..MOST_LOGICAL {
        let Some(place) = table.checked_mul(sector.into()).and_then(|at| disk.part(at, BYTES as u64)) else { break };
        let mut next = None;
        for entry in entries(&place.head(0, BYTES)?) {
            if EXTENDED.contains(&entry.kind) {
                next = extended.sectors.start.checked_add(entry.sectors.start);
            } else if found.len() < MOST_LOGICAL as usize {
                let number = FIRST_LOGICAL + u32::try_from(found.len()).unwrap_or(MOST_LOGICAL);
                let sectors = table.saturating_add(entry.sectors.start)..table.saturating_add(entry.sectors.end);
                found.push((number, Entry { sectors, ..entry }));
            }
        }
        match next {
            Some(next) => table = next,
            None => break,
        }
    }
    Ok(found)
}
