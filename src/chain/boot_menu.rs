//! The menu of systemd-boot: its entries, of both types.

use super::boot_entry::{BootEntry, Kind, on_volume};
use super::companion_files::with_files_beside;
use super::entry::Entry;
use super::forecasts::Forecasts;
use super::kernel::Kernel;
use super::pe::PeFile;
use super::systemd_boot::{self, SystemdBoot};
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
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = self.type_2()?;
        entries.extend(self.type_1()?);
        Ok(entries)
    }

    /// The entries of another partition. Their paths are those of that partition.
    pub(super) fn elsewhere(&self, other: &DiskVolume<'_>) -> Result<Vec<Entry>> {
        let menu = Menu { path: None, volume: other.files_for_firmware()?, ..*self };
        let named = |entry| Entry { elsewhere: Some(other.name.clone()), ..entry };
        Ok(menu.entries()?.into_iter().map(named).collect())
    }

    /// The unified kernel images. Those without `.osrel` are left out, as by systemd-boot.
    fn type_2(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for name in names(self.volume, TYPE_2, ".efi")? {
            let path = format!("{TYPE_2}/{name}");
            let bytes = self.volume.read(&path, PROGRAM)?.unwrap_or_default();
            let Ok(file) = PeFile::parse(&bytes) else { continue };
            if !file.sections().iter().any(|section| section.name_bytes() == b".osrel" && !section.is_empty()) {
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
    fn type_1(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for name in names(self.volume, TYPE_1, ".conf")? {
            let path = format!("{TYPE_1}/{name}");
            let bytes = self.volume.read(&path, CONFIGURATION)?.unwrap_or_default();
            let entry = BootEntry::parse(&path, &bytes, self.architecture)?;
            let is_loader =
                |entry: &BootEntry| self.path.is_some_and(|own| on_volume(&entry.program).eq_ignore_ascii_case(own));
            let Some(entry) = entry.filter(|entry| !is_loader(entry)) else { continue };
            let Some(forecasts) = self.boot(&entry).transpose() else { continue };
            entries.push(Entry { title: entry.title, ..Entry::new(&name.to_lowercase(), or_reason(forecasts)) });
        }
        Ok(entries)
    }

    /// What is expected of an entry. `None` if its program is not there: systemd-boot does not show it then.
    fn boot(&self, entry: &BootEntry) -> Result<Option<Forecasts>> {
        if let Some(key) = &entry.newer_key {
            return Ok(Some(Forecasts::of_unknown(&format!("what the key {key} of the entry does is not predicted"))));
        }
        let path = on_volume(&entry.program);
        let Some(bytes) = self.volume.read(&path, PROGRAM)? else { return Ok(None) };
        let uki = Uki::parse(&path, &bytes);
        let forecasts = match (uki, entry.kind) {
            (Ok(_), Kind::Linux) if !entry.initrds.is_empty() => {
                Forecasts::of_unknown("the entry gives an initrd to a unified kernel image, which has its own")
            }
            (Ok(uki), _) => {
                let forecasts = self.loader.uki(&uki, Some(entry), self.banks)?;
                with_files_beside(self.volume, &path, forecasts)?
            }
            (Err(_), Kind::Efi) => Forecasts::of_unknown(&format!("what the program {path} does is not predicted")),
            (Err(_), Kind::Linux) => {
                let initrds = systemd_boot::initrds(entry, self.volume)?;
                self.loader.kernel(&Kernel::parse(&path, &bytes)?, entry, &initrds, self.banks)?
            }
        };
        Ok(Some(forecasts))
    }
}

/// A file that is wrong spoils its own entry alone.
fn or_reason(forecasts: Result<Forecasts>) -> Forecasts {
    forecasts.unwrap_or_else(|error| Forecasts::of_unknown(&error.to_string()))
}

/// The names that systemd-boot looks at.
fn names(volume: &dyn Volume, folder: &str, end: &str) -> Result<Vec<String>> {
    let is_shown = |name: &String| {
        let name = name.to_ascii_lowercase();
        name.ends_with(end) && !name.starts_with('.') && !name.starts_with("auto-")
    };
    Ok(volume.names(folder)?.into_iter().filter(is_shown).collect())
}
