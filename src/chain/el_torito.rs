//! The boot images of a CD, El Torito, as edk2's firmware finds them (MdeModulePkg/Universal/Disk/PartitionDxe/ElTorito.c): the catalog
//! that a volume descriptor names has an entry for each image.

use super::iso9660::{FIRST_DESCRIPTOR, SECTOR};
use super::region::Region;
use crate::cursor::Fields;
use crate::error::Result;

/// How many volume descriptors are read: a CD has about four.
const MOST_DESCRIPTORS: u64 = 32;
/// The length of an entry of the catalog (El Torito 1.0, section 2.0).
const ENTRY: usize = 32;
/// The first byte of an entry whose image starts a machine.
const BOOTABLE: u8 = 0x88;

/// The images: each from its first sector to the end of the disk, because the catalog's lengths are wrong on many CDs. The file
/// system in an image says how long it is.
///
/// # Errors
/// If the disk cannot be read.
pub(super) fn images(disk: Region<'_>) -> Result<Vec<Region<'_>>> {
    let mut images = Vec::new();
    for number in FIRST_DESCRIPTOR..FIRST_DESCRIPTOR + MOST_DESCRIPTORS {
        let descriptor = disk.head(number * SECTOR, 2048)?;
        if descriptor.get(1..6) != Some(b"CD001") || descriptor.first() == Some(&0xFF) {
            break;
        }
        if !descriptor.get(7..).is_some_and(|name| name.starts_with(b"EL TORITO SPECIFICATION")) {
            continue;
        }
        let Some(catalog) = Fields(&descriptor).u32_le(71) else { continue };
        let catalog = disk.head(u64::from(catalog) * SECTOR, 2048)?;
        let split = catalog.split_at_checked(ENTRY).filter(|(first, _)| is_validation(first));
        let Some((_, entries)) = split else { continue };
        for entry in entries.chunks_exact(ENTRY).filter(|entry| entry.first() == Some(&BOOTABLE)) {
            let at = Fields(entry).u32_le(8).map_or(0, |sector| u64::from(sector) * SECTOR);
            images.extend(disk.length().checked_sub(at).filter(|_| at > 0).and_then(|length| disk.part(at, length)));
        }
    }
    Ok(images)
}

/// The first entry: its sum is zero, and it has a mark (El Torito 1.0, section 2.1).
fn is_validation(entry: &[u8]) -> bool {
    let sum = entry.chunks_exact(2).filter_map(|word| Fields(word).u16_le(0)).fold(0_u16, u16::wrapping_add);
    entry.first() == Some(&1) && entry.get(30..) == Some(&[0x55, 0xAA]) && sum == 0
}
