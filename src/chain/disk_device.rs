//! The block devices that the kernel shows of a disk: the disk, and its partitions. They are not the file systems that firmware sees: a
//! partition that overlaps another one is a device of the kernel, and a boot image of a CD is none.

use super::partition::Partition;
use super::region::Region;

/// A device.
#[derive(Clone)]
pub struct DiskDevice<'a> {
    /// The number of the partition, from 1. `None` for the disk.
    pub number: Option<u32>,
    /// PARTUUID.
    pub partuuid: Option<String>,
    /// PARTLABEL, as the kernel shows it.
    pub partlabel: Option<String>,
    /// Where it is.
    pub region: Region<'a>,
}

impl<'a> DiskDevice<'a> {
    /// All of the disk.
    pub(super) fn whole(region: Region<'a>) -> Self {
        Self { number: None, partuuid: None, partlabel: None, region }
    }

    /// A partition.
    pub(super) fn of(partition: &Partition<'a>) -> Self {
        // Of other characters, the kernel shows the lower seven or eight bits; the version decides (block/partitions/efi.c,
        // `utf16_le_to_7bit`).
        let is_shown = |label: &&String| label.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        Self {
            number: Some(partition.number),
            partuuid: partition.uuid.clone(),
            partlabel: partition.label.as_ref().filter(is_shown).cloned(),
            region: partition.region,
        }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        self.number.map_or_else(|| "the disk".to_owned(), |number| format!("partition {number}"))
    }

    /// What the agent sorts by: the devices of a disk have a name that ends with the number of the partition.
    pub(super) fn end_of_name(&self) -> String {
        self.number.map_or_else(String::new, |number| number.to_string())
    }
}
