//! GPT, as firmware reads it (UEFI 2.10, section 5.3; edk2, MdeModulePkg/Universal/Disk/PartitionDxe/Gpt.c): the header in the
//! second sector, or the backup in the last one if that is damaged. Partitions that overlap, or lie outside of what the header
//! allows, do not exist for firmware.

use super::partition::{Partition, Purpose};
use super::region::Region;
use crate::cursor::{self, Fields};
use crate::error::{Error, Result};

/// The length of the header (UEFI 2.10, table 5.5).
const HEADER: usize = 92;
/// The length of an entry (UEFI 2.10, table 5.6): 128 times a power of two. More than this is refused here.
const ENTRY: u32 = 128;
const LONGEST_ENTRY: u32 = 4096;
/// The longest array of entries that is read, in bytes: 1 MiB. The usual one has 16 KiB.
const LONGEST_ARRAY: u64 = 1 << 20;
/// The attribute "no block IO protocol": firmware leaves the partition to the operating system (UEFI 2.10, table 5.8).
const NO_BLOCK_IO: u64 = 1 << 1;

/// Types of partitions (UEFI 2.10, table 5.7; UAPI.2 Discoverable Partitions Specification).
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const XBOOTLDR: &str = "bc13c2ff-59e6-4262-a352-b275fd6f7172";

/// What a header says.
pub(super) struct Header {
    /// Its bytes, as they are on the disk.
    pub(super) bytes: Vec<u8>,
    /// The sectors that partitions may have.
    pub(super) usable: std::ops::RangeInclusive<u64>,
    /// The entries.
    pub(super) array: Vec<u8>,
    /// The length of one of them.
    pub(super) entry: usize,
}

/// The partitions. `None` if neither header is one.
///
/// # Errors
/// If there are headers, but firmware would use neither; or if a partition ends behind the end of the disk.
pub(super) fn partitions(disk: Region<'_>, sector: u32) -> Result<Option<Vec<Partition<'_>>>> {
    let Some((header, is_backup)) = in_use(disk, sector)? else { return Ok(None) };
    if is_backup {
        log::warn!("the first GPT header is damaged: the backup at the end of the disk counts, as for firmware");
    }
    let found = header.entries();
    let place = |own: &Used| {
        let (first, last) = own.sectors;
        let is_shown = header.hides(own, &found).is_none();
        // The header, which says what is usable, is as hostile as the entry.
        let count = last.checked_sub(first)?.checked_add(1)?;
        let (at, length) = (first.checked_mul(sector.into())?, count.checked_mul(sector.into())?);
        // The kernel shows every one that lies on the disk (block/partitions/efi.c, `is_pte_valid`).
        let Some(region) = disk.part(at, length) else {
            if !is_shown {
                return None;
            }
            let object = format!("partition {}", own.number);
            let error =
                Error::new(object, format_args!("ends behind the end of the disk, which has {} bytes", disk.length()));
            return Some(Err(error.hint("was the image cut off?")));
        };
        let (purpose, uuid, label) = (own.purpose, own.uuid.clone(), own.label.clone());
        Some(Ok(Partition { number: own.number, purpose, uuid, label, region, is_for_firmware: is_shown }))
    };
    found.iter().filter_map(place).collect::<Result<_>>().map(Some)
}

/// Whether there is a header that firmware uses.
pub(super) fn has_header(disk: Region<'_>, sector: u32) -> bool {
    in_use(disk, sector).is_ok_and(|header| header.is_some())
}

/// The EFI system partitions of the table that do not exist for firmware, each with the reason.
pub(super) fn hidden_esps(disk: Region<'_>, sector: u32) -> Vec<String> {
    let Ok(Some((header, _))) = in_use(disk, sector) else { return Vec::new() };
    let found = header.entries();
    let why = |own: &Used| Some(format!("partition {} {}", own.number, header.hides(own, &found)?));
    found.iter().filter(|own| own.purpose == Purpose::Esp).filter_map(why).collect()
}

/// The header that counts, and whether it is the backup. `None` if neither is one.
fn in_use(disk: Region<'_>, sector: u32) -> Result<Option<(Header, bool)>> {
    let last = (disk.length() / u64::from(sector)).saturating_sub(1);
    match header(disk, sector, 1) {
        Ok(Some(header)) => Ok(Some((header, false))),
        primary => match (primary, header(disk, sector, last)) {
            (_, Ok(Some(header))) => Ok(Some((header, true))),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(_), Ok(None)) => Ok(None),
        },
    }
}

impl Header {
    /// The entries that are used.
    fn entries(&self) -> Vec<Used> {
        let entries = self.array.chunks_exact(self.entry);
        (1..).zip(entries).filter_map(|(number, entry)| used(number, &Fields(entry))).collect()
    }

    /// Why an entry is no partition for firmware (`PartitionCheckGptEntry`). `None` if it is one.
    fn hides(&self, own: &Used, all: &[Used]) -> Option<String> {
        let (first, last) = own.sectors;
        let overlaps = |other: &&Used| {
            other.number != own.number
                && other.sectors.0 <= other.sectors.1
                && other.sectors.0 <= last
                && first <= other.sectors.1
        };
        if first > last {
            Some("ends before it begins".to_owned())
        } else if !self.usable.contains(&first) || !self.usable.contains(&last) {
            let (from, to) = (self.usable.start(), self.usable.end());
            Some(format!("has the sectors {first} to {last}, but the header allows {from} to {to}"))
        } else if own.is_hidden {
            Some("has the attribute \"no block IO protocol\"".to_owned())
        } else {
            all.iter().find(overlaps).map(|other| format!("overlaps partition {}", other.number))
        }
    }
}

/// The header in a sector. `None` if there is none.
pub(super) fn header(disk: Region<'_>, sector: u32, at: u64) -> Result<Option<Header>> {
    let Some(place) = at.checked_mul(sector.into()).and_then(|start| disk.part(start, sector.into())) else {
        return Ok(None);
    };
    let mut bytes = place.head(0, LONGEST_ENTRY as usize)?;
    if !bytes.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let error = |cause: &str| Error::new(format_args!("GPT header in sector {at}"), cause);
    let fields = Fields(&bytes);
    let numbers = || {
        let length = usize::try_from(fields.u32_le(12)?).ok()?;
        Some((length, fields.u32_le(16)?, fields.u64_le(24)?, fields.u64_le(40)?, fields.u64_le(48)?))
    };
    let (length, sum, own, first, last) = numbers().ok_or_else(|| error("is cut short"))?;
    let arrays = || Some((fields.u64_le(72)?, fields.u32_le(80)?, fields.u32_le(84)?, fields.u32_le(88)?));
    let (array, entries, entry, array_sum) = arrays().ok_or_else(|| error("is cut short"))?;
    let as_it_is = bytes.get(..HEADER).unwrap_or_default().to_vec();
    if let Some(field) = bytes.get_mut(16..20) {
        field.fill(0);
    }
    let hashed = bytes.get(..length).filter(|_| length >= HEADER);
    if hashed.map(crc32fast::hash) != Some(sum) {
        return Err(error("has a wrong check sum"));
    }
    if own != at {
        return Err(error("names another sector as its own"));
    }
    if !(ENTRY..=LONGEST_ENTRY).contains(&entry) || !entry.is_multiple_of(ENTRY) {
        return Err(error("has entries of a length that no program writes"));
    }
    let length = u64::from(entries) * u64::from(entry);
    if length > LONGEST_ARRAY {
        return Err(error("has more entries than any program writes"));
    }
    let place = array.checked_mul(sector.into()).and_then(|start| disk.part(start, length));
    let place = place.ok_or_else(|| error("has its entries beyond the end of the disk"))?;
    let array = place.head(0, usize::try_from(length).unwrap_or(usize::MAX))?;
    if crc32fast::hash(&array) != array_sum {
        return Err(error("has entries with a wrong check sum"));
    }
    Ok(Some(Header { bytes: as_it_is, usable: first..=last, array, entry: entry as usize }))
}

/// An entry that is used.
struct Used {
    number: u32,
    purpose: Purpose,
    uuid: Option<String>,
    label: Option<String>,
    /// The first one and the last one.
    sectors: (u64, u64),
    is_hidden: bool,
}

fn used(number: u32, entry: &Fields<'_>) -> Option<Used> {
    let kind = guid(entry, 0)?;
    let purpose = match kind.as_str() {
        ESP => Purpose::Esp,
        XBOOTLDR => Purpose::XBootLdr,
        _ => Purpose::Other,
    };
    let sectors = (entry.u64_le(32)?, entry.u64_le(40)?);
    let units = (0..36).map_while(|unit| entry.u16_le(56 + unit * 2).filter(|&unit| unit != 0));
    let label = String::from_utf16_lossy(&units.collect::<Vec<_>>());
    let is_hidden = entry.u64_le(48)? & NO_BLOCK_IO != 0;
    let label = Some(label).filter(|label| !label.is_empty());
    Some(Used { number, purpose, uuid: guid(entry, 16), label, sectors, is_hidden })
}

/// The GUID at a place, as text. `None` if it is zero.
fn guid(entry: &Fields<'_>, at: usize) -> Option<String> {
    entry.at(at).filter(|id| *id != [0; 16]).map(cursor::guid)
}
