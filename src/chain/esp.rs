//! An EFI system partition: the program that firmware starts of it without a boot option, and one boot for each entry of its menu.

use std::ptr;

use super::boot_entry;
use super::boot_menu::{Menu, TYPE_1, TYPE_2};
use super::companion_files::with_files_beside;
use super::direct::{self, Direct};
use super::doubts;
use super::entry::Entry;
use super::firmware_program::{architecture, program_of_firmware};
use super::gpt_event::MeasuredTable;
use super::grub::{Grub, GrubEntry, Seen};
use super::partition::Purpose;
use super::pattern::matches;
use super::shim::Shim;
use super::systemd_boot::SystemdBoot;
use super::volume::{BootOption, CONFIGURATION, PROGRAM, Places, Volume};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The configuration of systemd-boot.
const LOADER_CONF: &str = "loader/loader.conf";

/// A partition.
#[derive(Debug)]
pub struct Esp {
    /// The program that firmware starts: its name, and its path.
    pub loader: String,
    /// The boots.
    pub entries: Vec<Entry>,
    /// What of the menu is no boot, or only the last one, and why.
    pub notes: Vec<String>,
}

impl Esp {
    /// Reads a partition of which nothing else is known.
    ///
    /// # Errors
    /// If it has no program that firmware starts, or one that is not known, or no entry.
    pub fn of(volume: &dyn Volume, banks: &[Bank]) -> Result<Self> {
        Self::at(&Places { own: volume, disk: &[], option: BootOption::default() }, banks)
    }

    /// Reads a partition of a disk.
    ///
    /// # Errors
    /// If it has no program that firmware starts, or one that is not known, or no entry.
    pub fn at(places: &Places<'_>, banks: &[Bank]) -> Result<Self> {
        let volume = places.own;
        let path = program_of_firmware(volume, places.option.program)?;
        let bytes = volume.read(&path, PROGRAM)?.ok_or_else(|| Error::new(&path, "is gone"))?;
        doubts::warn_of_another_architecture(&path, architecture(&bytes));
        let Some(loader) = SystemdBoot::of(&path, &bytes, volume, banks)? else {
            if let Some(shim) = Shim::of(&path, &bytes, architecture(&bytes).unwrap_or_default(), volume, banks)? {
                let bytes = volume.read(&shim.loader, PROGRAM)?;
                let bytes = bytes.ok_or_else(|| Error::new(&shim.loader, "is not there, and shim starts it"))?;
                let grub = Grub::of(&shim.loader, &bytes, banks)?;
                let grub = grub.ok_or_else(|| Error::new(&shim.loader, "is not GRUB, and shim starts it"))?;
                direct::takes_no_words(&path, places.option)?;
                return Ok(Self::of_grub(&grub, Some(&shim), places, banks));
            }
            if let Some(grub) = Grub::of(&path, &bytes, banks)? {
                direct::takes_no_words(&path, places.option)?;
                return Ok(Self::of_grub(&grub, None, places, banks));
            }
            let direct = Direct::of(&path, &bytes)?;
            let mut forecasts = direct.forecasts(places.option.append, banks)?;
            if let Direct::Uki(_) = direct {
                forecasts = with_files_beside(volume, &path, forecasts)?;
            }
            let entry = Entry::new(&path, forecasts);
            return Ok(Self { loader: direct.to_string(), entries: vec![entry], notes: Vec::new() });
        };
        direct::takes_no_words(&path, places.option)?;
        let configuration = volume.read(LOADER_CONF, CONFIGURATION)?;
        let loader_conf = configuration.as_deref().and_then(|bytes| loader.measures(LOADER_CONF, bytes, banks));
        let architecture = architecture(&bytes).unwrap_or_default();
        let menu = Menu { loader: &loader, path: Some(&path), architecture, volume, banks };
        let mut notes = Vec::new();
        let default =
            configuration.map(|bytes| boot_entry::default_pattern(&bytes)).transpose().unwrap_or_else(|why| {
                notes.push(format!("{LOADER_CONF}: which entry is the default is not known: {why}"));
                None
            });
        let default = default.flatten();
        let mut entries = menu.entries(&mut notes)?;
        // systemd takes the first one of the disk (src/boot/part-discovery.c, partition_open).
        if let Some(other) = places.disk.iter().find(|volume| volume.purpose == Purpose::XBootLdr) {
            entries.extend(menu.elsewhere(other, &mut notes).map_err(|error| error.on(&other.name))?);
        }
        for entry in &mut entries {
            entry.forecasts.loader_conf.clone_from(&loader_conf);
            loader.loads_drivers(&mut entry.forecasts);
        }
        let is_default = |entry: &&mut Entry| default.as_deref().is_some_and(|pattern| matches(pattern, &entry.id));
        let mut defaults = entries.iter_mut().filter(is_default);
        // Of several, that of the newest version counts, which systemd-boot finds by its own order.
        if let (Some(entry), None) = (defaults.next(), defaults.next()) {
            entry.is_default = true;
        }
        if entries.is_empty() {
            return Err(Error::new(
                format_args!("{TYPE_1}, {TYPE_2}"),
                format_args!("{} shows no entry of them{}", loader.name(), reasons(&notes)),
            )
            .hint("is the menu on a partition of its own (XBOOTLDR)? Give the whole disk, or copy its files into the folder"));
        }
        Ok(Self { loader: format!("{} ({path})", loader.name()), entries, notes })
    }

    /// The same, if firmware measures this partition table before it starts the program.
    pub(super) fn started_with(mut self, table: &MeasuredTable) -> Self {
        for entry in &mut self.entries {
            entry.forecasts.table = table.clone();
        }
        self
    }

    /// GRUB, which sees all file systems of the disk. Its own one is the first here. `shim` starts it, or the firmware.
    fn of_grub(grub: &Grub, shim: Option<&Shim>, places: &Places<'_>, banks: &[Bank]) -> Self {
        let mut seen: Vec<_> = places.disk.iter().map(Seen::of).collect();
        if let Some(own) = seen.iter().position(|seen| ptr::addr_eq(seen.files, places.own)) {
            seen.swap(0, own);
        } else {
            let (label, uuid, partition, start, module) = (None, None, None, None, None);
            seen.insert(0, Seen { files: places.own, label, uuid, partition, start, module });
        }
        let entry = |GrubEntry { id, title, is_default, forecasts }| Entry {
            id,
            title,
            is_default,
            forecasts,
            elsewhere: None,
        };
        let entries = grub.boots(&seen, shim, banks).into_iter().map(entry).collect();
        let before = shim.map(|shim| format!("{} and ", shim.name())).unwrap_or_default();
        Self { loader: format!("{before}{}", grub.name()), entries, notes: Vec::new() }
    }
}

/// The notes as a part of an error.
fn reasons(notes: &[String]) -> String {
    if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) }
}
