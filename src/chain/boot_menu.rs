//! The menu of systemd-boot: its entries, of both types.

use super::boot_entry::{self, BootEntry, Kind, on_volume};
use super::companion_files::with_files_beside;
use super::entry::Entry;
use super::entry_files::{self, EntryFiles};
use super::forecasts::Forecasts;
use super::kernel::Kernel;
use super::pe::PeFile;
use super::systemd_boot::SystemdBoot;
use super::uki::Uki;
use super::volume::{CONFIGURATION, DiskVolume, PROGRAM, Volume};
use crate::error::Result;
use crate::hash::bank::Bank;

/// The folders of the menu (UAPI.1 Boot Loader Specification, "Locating Boot Entries").
pub(super) const TYPE_1: &str = "loader/entries";
pub(super) const TYPE_2: &str = "EFI/Linux";

/// The menu.
#[derive(Clone, Copy)]
pub(super) struct Menu<'a> {
    pub(super) loader: &'a SystemdBoot,
    /// The boot loader itself, if it is on this partition.
    pub(super) path: Option<&'a str>,
    pub(super) architecture: &'a str,
    pub(super) volume: &'a dyn Volume,
    pub(super) banks: &'a [Bank],
}

impl Menu<'_> {
    pub(super) fn entries(&self, notes: &mut Vec<String>) -> Result<Vec<Entry>> {
        let mut entries = self.type_2(notes)?;
        entries.extend(self.type_1(notes)?);
        Ok(entries)
    }

    /// The entries of another partition. Their paths are those of that partition.
    pub(super) fn elsewhere(&self, other: &DiskVolume<'_>, notes: &mut Vec<String>) -> Result<Vec<Entry>> {
        let menu = Menu { path: None, volume: other.files_for_firmware()?, ..*self };
        let named = |entry| Entry { elsewhere: Some(other.name.clone()), ..entry };
        let mut own = Vec::new();
        let entries = menu.entries(&mut own)?.into_iter().map(named).collect();
        notes.extend(own.iter().map(|note| format!("{}: {note}", other.name)));
        Ok(entries)
    }

    /// The unified kernel images. Those without `.osrel` are left out, as by systemd-boot.
    fn type_2(&self, notes: &mut Vec<String>) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for name in names(self.volume, TYPE_2, ".efi", notes)? {
            let path = format!("{TYPE_2}/{name}");
            let bytes = match self.volume.read(&path, PROGRAM) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => {
                    entries.push(Entry::new(&name.to_lowercase(), or_reason(Err(error))));
                    continue;
                }
            };
            let Ok(file) = PeFile::parse(&bytes) else {
                notes.push(not_shown(&path, "it is no program for UEFI"));
                continue;
            };
            if !file.sections().iter().any(|section| section.name_bytes() == b".osrel" && !section.is_empty()) {
                notes.push(not_shown(&path, "it has no section .osrel"));
                continue;
            }
            let forecasts = Uki::parse(&path, &bytes).and_then(|uki| {
                let forecasts = self.loader.uki(&uki, None, self.banks)?;
                with_files_beside(self.volume, &path, forecasts)
            });
            entries.push(Entry::new(&name.to_lowercase(), or_reason(forecasts)));
        }
        Ok(entries)
    }

    /// The files of entries.
    fn type_1(&self, notes: &mut Vec<String>) -> Result<Vec<Entry>> {
        let (mut names_of, mut shown) = (Vec::new(), Vec::new());
        let mut unread = Vec::new();
        for name in names(self.volume, TYPE_1, ".conf", notes)? {
            let path = format!("{TYPE_1}/{name}");
            let bytes = match self.volume.read(&path, CONFIGURATION) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => {
                    unread.push(Entry::new(&name.to_lowercase(), or_reason(Err(error))));
                    continue;
                }
            };
            match BootEntry::parse(&path, &bytes, self.architecture) {
                Err(why) => notes.push(not_shown(&path, &why)),
                Ok(entry) if self.path.is_some_and(|own| on_volume(&entry.program).eq_ignore_ascii_case(own)) => {
                    notes.push(not_shown(&path, "it names the boot loader itself"));
                }
                Ok(entry) => {
                    names_of.push(name);
                    shown.push(entry);
                }
            }
        }
        let (mut files, mut found) = (EntryFiles::default(), Vec::new());
        for at in entry_files::by_files(&shown) {
            let (Some(name), Some(entry)) = (names_of.get(at), shown.get(at)) else { continue };
            let Some(forecasts) = self.boot(entry, &mut files).transpose() else {
                let why = format!("{} is not on the partition", on_volume(&entry.program));
                notes.push(not_shown(&entry.file, &why));
                continue;
            };
            let title = entry.title.clone();
            found.push((at, Entry { title, ..Entry::new(&name.to_lowercase(), or_reason(forecasts)) }));
        }
        found.sort_by_key(|(at, _)| *at);
        Ok(found.into_iter().map(|(_, entry)| entry).chain(unread).collect())
    }

    /// What is expected of an entry. `None` if its program is not there: systemd-boot does not show it then.
    fn boot(&self, entry: &BootEntry, files: &mut EntryFiles) -> Result<Option<Forecasts>> {
        if let Some(key) = &entry.newer_key {
            return Ok(Some(Forecasts::of_unknown(&format!("what the key {key} of the entry does is not predicted"))));
        }
        if let Some(key) = &entry.odd_key {
            let why = format!(
                "{}: the value of {key} has bytes that are not UTF-8, or characters beyond U+FFFF: what becomes of them differs from \
                 version to version of systemd-boot",
                entry.file
            );
            return Ok(Some(Forecasts::of_unknown(&why)));
        }
        let path = on_volume(&entry.program);
        if !files.read_program(entry, self.volume)? {
            return Ok(None);
        }
        let forecasts = match (Uki::parse(&path, files.program()), entry.kind) {
            (Ok(_), Kind::Linux) if !entry.initrds.is_empty() => {
                Forecasts::of_unknown("the entry gives an initrd to a unified kernel image, which has its own")
            }
            (Ok(uki), _) => {
                let forecasts = self.loader.uki(&uki, Some(entry), self.banks)?;
                with_files_beside(self.volume, &path, forecasts)?
            }
            (Err(_), Kind::Efi) => {
                Forecasts::of_unknown_program(&format!("what the program {path} does is not predicted"))
            }
            (Err(_), Kind::Linux) => {
                files.read_initrds(entry, self.volume)?;
                self.loader.kernel(&Kernel::parse(&path, files.program())?, entry, files, self.banks)?
            }
        };
        Ok(Some(forecasts))
    }
}

/// A file that is wrong spoils its own entry alone.
fn or_reason(forecasts: Result<Forecasts>) -> Forecasts {
    forecasts.unwrap_or_else(|error| Forecasts::of_unknown(&error.to_string()))
}

/// Says why an entry is not in the menu.
fn not_shown(path: &str, why: &str) -> String {
    format!("{path} is not in the menu: {why}")
}

/// The names that systemd-boot looks at.
fn names(volume: &dyn Volume, folder: &str, end: &str, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let mut found = volume.names(folder)?;
    found.retain(|name| name.to_ascii_lowercase().ends_with(end));
    for name in found.iter().filter(|name| boot_entry::has_no_tries_left(name)) {
        let why = "systemd-boot starts it only if there is no other one, or if somebody chooses it";
        notes.push(format!("{folder}/{name} has no tries left: {why}"));
    }
    found.retain(|name| {
        let name = name.to_ascii_lowercase();
        let is_shown = !name.starts_with('.') && !name.starts_with("auto-");
        if !is_shown {
            notes.push(not_shown(&format!("{folder}/{name}"), "its name begins with \".\" or \"auto-\""));
        }
        is_shown
    });
    Ok(found)
}
