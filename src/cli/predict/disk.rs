//! `--disk`: an image file or a block device.

use std::path::Path;

use super::boot::Boot;
use super::start::{MenuEntry, Program, Start};
use crate::chain::disk::{self, Disk};
use crate::chain::forecasts::Forecasts;
use crate::cli::input_file::{self, Kinds};
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::sys::block_device;

/// The boots of a disk. Only what they read of it is read.
pub(super) fn boots(path: &Path, program: Option<&str>, banks: &[Bank]) -> Result<(Start, Vec<Boot>)> {
    let name = path.display().to_string();
    let file = input_file::open(path, Kinds::Seekable)?;
    let is_file = file.metadata().about(&name)?.is_file();
    let length = block_device::size(&file).ok_or_else(|| Error::new(&name, "has no length"))?;
    let sector = if is_file { None } else { Some(block_device::sector_size(&file, &name)?) };
    let starts = Disk::open(&file, length, sector).and_then(|disk| disk.starts(program, banks));
    let starts = starts.map_err(|error| error.on(&name))?;
    let mut boots = Vec::new();
    let mut programs = Vec::new();
    for disk::Start { place, esp } in starts {
        match esp {
            Ok(esp) => {
                boots.extend(esp.entries.into_iter().map(|entry| Boot::of(entry, Some(&place))));
                programs.push(Program { partition: place, loader: esp.loader });
            }
            // The firmware may start it all the same.
            Err(error) => {
                let (id, partition) = (program.unwrap_or("EFI/BOOT").to_owned(), Some(place.clone()));
                let entry = Some(MenuEntry { partition, id, title: None, default: false });
                boots.push(Boot { entry, forecasts: Forecasts::of_unknown(&error.to_string()) });
                programs.push(Program { partition: place, loader: "an unknown program".to_owned() });
            }
        }
    }
    Ok((Start::Disk { disk: name, programs }, boots))
}
