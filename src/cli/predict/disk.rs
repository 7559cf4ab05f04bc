//! `--disk`: an image file or a block device.

use std::fs::File;
use std::path::Path;

use super::boot::Boot;
use super::start::{MenuEntry, Program, Start};
use crate::chain::disk::{self, Disk};
use crate::chain::forecasts::Forecasts;
use crate::chain::volume::BootOption;
use crate::cli::input_file::{self, Kinds};
use crate::cli::unchanged::Unchanged;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::sys::block_device;

/// An open disk.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    /// The path, as the user gave it.
    pub(super) name: String,
    length: u64,
    /// The size of its sectors, if it is a device.
    sector: Option<u32>,
    opened: Option<Unchanged>,
}

impl DiskFile {
    /// Opens it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = input_file::open(path, Kinds::Seekable)?;
        let opened = Unchanged::since(&file, &name)?;
        let is_file = file.metadata().about(&name)?.is_file();
        let length = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no length"))?;
        let sector = if is_file { None } else { Some(block_device::sector_size(&file, &name)?) };
        Ok(Self { file, name, length, sector, opened })
    }

    /// Reads its tables and file systems, once.
    pub(super) fn read(&self) -> Result<ReadDisk<'_>> {
        let disk = Disk::open(&self.file, self.length, self.sector).map_err(|error| error.on(&self.name))?;
        Ok(ReadDisk { file: self, disk })
    }

    /// Checks that it is the same as when it was opened. Of a device, only its length tells that.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        if block_device::size(&self.file) == Some(self.length) {
            return self.opened.map_or(Ok(()), |opened| opened.check(&self.file, &self.name));
        }
        let cause = format_args!("had {} bytes when it was opened, and other ones when it was hashed", self.length);
        Err(Error::new(&self.name, cause).hint("does another program write to it?"))
    }
}

/// A disk whose tables were read.
pub(super) struct ReadDisk<'a> {
    pub(super) file: &'a DiskFile,
    pub(super) disk: Disk<'a>,
}

impl ReadDisk<'_> {
    /// The boots. Only what they read of the disk is read.
    pub(super) fn boots(&self, option: BootOption<'_>, banks: &[Bank]) -> Result<(Start, Vec<Boot>)> {
        let name = &self.file.name;
        let starts = self.disk.starts(option, banks).map_err(|error| error.on(name))?;
        Ok(boots(name, starts, option.program))
    }
}

fn boots(disk: &str, starts: Vec<disk::Start>, program: Option<&str>) -> (Start, Vec<Boot>) {
    let mut boots = Vec::new();
    let mut programs = Vec::new();
    for disk::Start { place, esp } in starts {
        match esp {
            Ok(esp) => {
                boots.extend(esp.entries.into_iter().map(|entry| Boot::of(entry, Some(&place))));
                programs.push(Program { partition: place, loader: esp.loader, notes: esp.notes });
            }
            // The firmware may start it all the same.
            Err(error) => {
                let (id, partition) = (program.unwrap_or("EFI/BOOT").to_owned(), Some(place.clone()));
                let entry = Some(MenuEntry { partition, id, title: None, default: false });
                boots.push(Boot { entry, forecasts: Forecasts::of_unknown_program(&error.to_string()), root: None });
                programs.push(Program { partition: place, loader: "an unknown program".to_owned(), notes: Vec::new() });
            }
        }
    }
    (Start::Disk { disk: disk.to_owned(), programs }, boots)
}
