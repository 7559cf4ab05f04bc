//! The file systems that GRUB can see. The first one is that of the program itself.

use super::source::DISK;
use super::stop::{Run, Stop};
use crate::chain::partition::Table;
use crate::chain::volume::{DiskVolume, Volume};

/// A file system with what GRUB searches for.
pub(in crate::chain) struct Seen<'a> {
    /// Its files.
    pub files: &'a dyn Volume,
    /// Its label. `None` if it is not known.
    pub label: Option<String>,
    /// Its UUID as GRUB writes it: `1234-ABCD` for a FAT. `None` if it is not known.
    pub uuid: Option<String>,
    /// Its partition as GRUB writes it: `gpt2`. `None` if it is not known, or no partition.
    pub partition: Option<String>,
    /// Where it begins on the disk. `None` if it is not known.
    pub start: Option<u64>,
    /// The module with which GRUB reads it. `None` for a file system that GRUB was started from, or that each GRUB here can read.
    pub module: Option<&'static str>,
}

impl<'a> Seen<'a> {
    /// A file system of a disk. That it cannot be read is said where GRUB would read it.
    pub(in crate::chain) fn of(volume: &'a DiskVolume<'a>) -> Self {
        let files = match &volume.files {
            Ok(files) => files.as_ref(),
            Err(error) => error as &dyn Volume,
        };
        let partition = volume.partition.map(|(table, number)| match table {
            Table::Gpt => format!("gpt{number}"),
            Table::Mbr => format!("msdos{number}"),
        });
        let module = volume.is_ext.then_some("ext2");
        let start = Some(volume.region.start());
        Self { files, label: volume.label.clone(), uuid: volume.uuid.clone(), partition, start, module }
    }
}

/// What a `search` looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    File,
    Label,
    Uuid,
}

/// The name that stands for a file system. Which disk it is on, the machine decides.
pub(super) fn name(number: usize) -> String {
    format!("{}{number}{}", DISK[0], DISK[1])
}

/// The text with the names that GRUB gives if it calls the disk `disk`: `hd0,gpt2`. `None` if that does not follow: a file system
/// is not on a partition, or a CD has it, too, which has other names.
pub(super) fn written(text: &str, seen: &[Seen<'_>], disk: &str) -> Option<String> {
    if seen.iter().any(|seen| seen.partition.is_none()) {
        return None;
    }
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(DISK[0]) {
        let (number, behind) = behind.split_once(DISK[1])?;
        let partition = seen.get(number.parse::<usize>().ok()?)?.partition.as_deref()?;
        if behind.starts_with(',') {
            return None;
        }
        written.extend([before, disk, ",", partition]);
        rest = behind;
    }
    written.push_str(rest);
    Some(written)
}

/// Whether a text has such a name.
pub(super) fn has_name(text: &str) -> bool {
    text.contains(DISK)
}

/// The file system that a name stands for. The first one is that of GRUB, on the disk from which `,gpt2` may name another one.
pub(super) fn by_name(seen: &[Seen<'_>], name: &str) -> Run<usize> {
    let own = name.strip_prefix(DISK[0]).and_then(|rest| rest.split_once(DISK[1]));
    if let Some((number, rest)) = own {
        let number = number.parse().ok().filter(|&number| number < seen.len());
        match (number, rest.strip_prefix(',')) {
            (Some(number), None) if rest.is_empty() => return Ok(number),
            (Some(_), Some(partition)) => {
                let wanted = |seen: &Seen<'_>| seen.partition.as_deref() == Some(partition);
                return seen
                    .iter()
                    .position(wanted)
                    .ok_or_else(|| Stop::new(format!("the partition {partition} of the disk was not given")));
            }
            _ => {}
        }
    }
    Err(Stop::new(format!("which disk ({name}) is, the machine decides")))
}

/// A path as a [`Volume`] takes it.
pub(super) fn path(path: &str) -> Run<String> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Stop::new(format!("{path}: what . and .. name depends on the file system")));
    }
    Ok(parts.join("/"))
}
