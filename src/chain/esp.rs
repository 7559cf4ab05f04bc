//! An EFI system partition: the program that firmware starts of it without a boot option, and one boot for each entry of its menu.

use super::boot_entry::{self, BootEntry, Kind, on_volume};
use super::forecasts::Forecasts;
use super::kernel::Kernel;
use super::pe::PeFile;
use super::systemd_boot::{self, SystemdBoot};
use super::uki::Uki;
use super::volume::{CONFIGURATION, PROGRAM, Volume};
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// The folder of that program, whose name is `BOOT` and the name of the architecture (UEFI 2.10, section 3.5.1.1).
const BOOT: &str = "EFI/BOOT";
/// The folders of the menu (UAPI.1 Boot Loader Specification, "Locating Boot Entries").
const TYPE_1: &str = "loader/entries";
const TYPE_2: &str = "EFI/Linux";
const LOADER_CONF: &str = "loader/loader.conf";

/// A partition.
#[derive(Debug)]
pub struct Esp {
    /// The program that firmware starts: its name, and its path.
    pub loader: String,
    /// The boots.
    pub entries: Vec<Entry>,
}

/// A boot.
#[derive(Debug)]
pub struct Entry {
    /// The name of its file.
    pub id: String,
    /// Its title, if its file has one.
    pub title: Option<String>,
    /// Whether `default` of loader.conf names it. A variable of the firmware may name another.
    pub is_default: bool,
    /// What is expected.
    pub forecasts: Forecasts,
}

impl Esp {
    /// Reads a partition.
    ///
    /// # Errors
    /// If it has no program that firmware starts, or one that is not known, or no entry.
    pub fn of(volume: &dyn Volume, banks: &[Bank]) -> Result<Self> {
        let (path, architecture) = program_of_firmware(volume)?;
        let bytes = volume.read(&path, PROGRAM)?.ok_or_else(|| Error::new(&path, "is gone"))?;
        let Some(loader) = SystemdBoot::of(&path, &bytes, volume, banks)? else {
            let uki = Uki::parse(&path, &bytes).map_err(|_| {
                Error::new(&path, "is neither systemd-boot nor a unified kernel image")
                    .hint("other boot loaders are not predicted yet")
            })?;
            let entry = Entry::new(&path, uki.forecasts(None, banks)?);
            return Ok(Self { loader: uki.stub().to_string(), entries: vec![entry] });
        };
        let default = volume.read(LOADER_CONF, CONFIGURATION)?;
        let default = default.map(|bytes| boot_entry::default_pattern(&bytes)).transpose();
        let default = default.map_err(|error| error.renamed(LOADER_CONF))?.flatten();
        let menu = Menu { loader: &loader, path: &path, architecture: &architecture, volume, banks };
        let mut entries = menu.type_2()?;
        entries.extend(menu.type_1()?);
        for entry in &mut entries {
            entry.is_default = default.as_deref().is_some_and(|pattern| matches(pattern, &entry.id));
        }
        if entries.is_empty() {
            return Err(Error::new(
                format_args!("{TYPE_1}, {TYPE_2}"),
                format_args!("{} shows no entry of them", loader.name()),
            )
            .hint("is the menu on a partition of its own (XBOOTLDR)? Copy its files into the folder"));
        }
        Ok(Self { loader: format!("{} ({path})", loader.name()), entries })
    }
}

impl Entry {
    fn new(id: &str, forecasts: Forecasts) -> Self {
        Self { id: id.to_owned(), title: None, is_default: false, forecasts }
    }
}

/// The path of the program, and its architecture as systemd-boot calls it: `x64`.
fn program_of_firmware(volume: &dyn Volume) -> Result<(String, String)> {
    let mut found = volume.names(BOOT)?.into_iter().filter_map(|name| {
        let lower = name.to_ascii_lowercase();
        let architecture = lower.strip_prefix("boot").and_then(|name| name.strip_suffix(".efi"))?;
        Some((format!("{BOOT}/{name}"), architecture.to_owned()))
    });
    match (found.next(), found.next()) {
        (Some(program), None) => Ok(program),
        (Some((one, _)), Some((other, _))) => {
            Err(Error::new(format_args!("{one}, {other}"), "the partition has programs for several architectures")
                .hint("leave one of them"))
        }
        (None, _) => Err(Error::new(BOOT, "has no program that firmware starts, such as BOOTX64.EFI")
            .hint("is it the folder with the tree of an EFI system partition?")),
    }
}

/// The menu of systemd-boot.
struct Menu<'a> {
    loader: &'a SystemdBoot,
    path: &'a str,
    architecture: &'a str,
    volume: &'a dyn Volume,
    banks: &'a [Bank],
}

impl Menu<'_> {
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
            let forecasts = Uki::parse(&path, &bytes).and_then(|uki| self.loader.uki(&uki, None, self.banks));
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
            let Some(entry) = entry.filter(|entry| !on_volume(&entry.program).eq_ignore_ascii_case(self.path)) else {
                continue;
            };
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
            (Ok(uki), _) => self.loader.uki(&uki, Some(entry), self.banks)?,
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

/// The longest pattern that is compared: a name on a FAT has 255 characters at most.
const LONGEST_PATTERN: usize = 1024;

/// Whether a pattern with `*` and `?` matches. One with `[` is not judged here.
pub(super) fn matches(pattern: &str, id: &str) -> bool {
    if pattern.len() > LONGEST_PATTERN {
        return false;
    }
    let (pattern, id): (Vec<_>, Vec<_>) = (pattern.to_lowercase().chars().collect(), id.chars().collect());
    // Which ends of the parts of `id` the pattern so far can have reached.
    let mut reached = vec![false; id.len() + 1];
    reached[0] = true;
    for c in pattern {
        let mut next = vec![false; id.len() + 1];
        for at in 0..=id.len() {
            next[at] = match c {
                '*' => reached[at] || (at > 0 && next[at - 1]),
                '[' => false,
                c => at > 0 && reached[at - 1] && (c == '?' || c == id[at - 1]),
            };
        }
        reached = next;
    }
    reached.last() == Some(&true)
}
