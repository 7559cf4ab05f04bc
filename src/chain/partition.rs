//! A partition of a disk.

use super::region::Region;

/// Which table a disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// GPT. GRUB calls a partition `gpt1`.
    Gpt,
    /// MBR. GRUB calls a partition `msdos1`.
    Mbr,
}

/// What a partition is for, as its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An EFI system partition: firmware looks for programs there.
    Esp,
    /// An extended boot loader partition, which has entries of systemd-boot's menu.
    XBootLdr,
    /// Anything else.
    Other,
}

/// A partition.
#[derive(Clone)]
pub struct Partition<'a> {
    /// Its number, from 1, as the kernel and GRUB count.
    pub number: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// The identifier of the partition (PARTUUID), as blkid prints it.
    pub uuid: Option<String>,
    /// The name of the partition (PARTLABEL).
    pub label: Option<String>,
    /// Where it is.
    pub region: Region<'a>,
    /// Whether firmware shows it. The kernel shows more: those that overlap, for example.
    pub is_for_firmware: bool,
}
