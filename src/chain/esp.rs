//! An EFI system partition: the program that firmware starts of it without a boot option, and one boot for each entry of its menu.

use std::ptr;

use super::boot_entry::{self, BootEntry, Kind, on_volume};
use super::doubts;
use super::forecasts::Forecasts;
use super::gpt_event::MeasuredTable;
use super::grub::{Grub, GrubEntry, Seen};
use super::kernel::Kernel;
use super::partition::Purpose;
use super::pe::PeFile;
use super::shim::Shim;
use super::systemd_boot::{self, SystemdBoot};
use super::uki::Uki;
use super::volume::{CONFIGURATION, DiskVolume, PROGRAM, Places, Volume};
use crate::cursor::Fields;
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
    /// Whether the boot loader starts it if nobody chooses: `default` of loader.conf or of GRUB's configuration names it. A
    /// variable of the firmware may name another.
    pub is_default: bool,
    /// The partition that has its files, if it is another one than that of the boot loader.
    pub elsewhere: Option<String>,
    /// What is expected.
    pub forecasts: Forecasts,
}

impl Esp {
    /// Reads a partition of which nothing else is known.
    ///
    /// # Errors
    /// If it has no program that firmware starts, or one that is not known, or no entry.
    pub fn of(volume: &dyn Volume, banks: &[Bank]) -> Result<Self> {
        Self::at(&Places { own: volume, disk: &[], program: None }, banks)
    }

    /// Reads a partition of a disk.
    ///
    /// # Errors
    /// If it has no program that firmware starts, or one that is not known, or no entry.
    pub fn at(places: &Places<'_>, banks: &[Bank]) -> Result<Self> {
        let volume = places.own;
        let path = program_of_firmware(volume, places.program)?;
        let bytes = volume.read(&path, PROGRAM)?.ok_or_else(|| Error::new(&path, "is gone"))?;
        doubts::warn_of_another_architecture(&path, architecture(&bytes));
        let Some(loader) = SystemdBoot::of(&path, &bytes, volume, banks)? else {
            if let Some(shim) = Shim::of(&path, &bytes, architecture(&bytes).unwrap_or_default(), volume, banks)? {
                let bytes = volume.read(&shim.loader, PROGRAM)?;
                let bytes = bytes.ok_or_else(|| Error::new(&shim.loader, "is not there, and shim starts it"))?;
                let grub = Grub::of(&shim.loader, &bytes, banks)?;
                let grub = grub.ok_or_else(|| Error::new(&shim.loader, "is not GRUB, and shim starts it"))?;
                return Ok(Self::of_grub(&grub, Some(&shim), places, banks));
            }
            if let Some(grub) = Grub::of(&path, &bytes, banks)? {
                return Ok(Self::of_grub(&grub, None, places, banks));
            }
            let uki = Uki::parse(&path, &bytes).map_err(|_| {
                Error::new(&path, "is neither systemd-boot, nor GRUB, nor a unified kernel image")
                    .hint("other boot loaders are not predicted yet")
            })?;
            let entry = Entry::new(&path, with_files_beside(volume, &path, uki.forecasts(None, banks)?)?);
            return Ok(Self { loader: uki.stub().to_string(), entries: vec![entry] });
        };
        let configuration = volume.read(LOADER_CONF, CONFIGURATION)?;
        let loader_conf = configuration.as_deref().and_then(|bytes| loader.measures(LOADER_CONF, bytes, banks));
        let default = configuration.map(|bytes| boot_entry::default_pattern(&bytes)).transpose();
        let default = default.map_err(|error| error.renamed(LOADER_CONF))?.flatten();
        let architecture = architecture(&bytes).unwrap_or_default();
        let menu = Menu { loader: &loader, path: Some(&path), architecture, volume, banks };
        let mut entries = menu.entries()?;
        // systemd takes the first one of the disk (src/boot/part-discovery.c, partition_open).
        if let Some(other) = places.disk.iter().find(|volume| volume.purpose == Purpose::XBootLdr) {
            entries.extend(menu.elsewhere(other).map_err(|error| error.on(&other.name))?);
        }
        for entry in &mut entries {
            entry.forecasts.loader_conf.clone_from(&loader_conf);
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
                format_args!("{} shows no entry of them", loader.name()),
            )
            .hint("is the menu on a partition of its own (XBOOTLDR)? Give the whole disk, or copy its files into the folder"));
        }
        Ok(Self { loader: format!("{} ({path})", loader.name()), entries })
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
        match seen.iter().position(|seen| ptr::addr_eq(seen.files, places.own)) {
            Some(own) => seen.swap(0, own),
            None => seen.insert(0, Seen { files: places.own, label: None, uuid: None, partition: None }),
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
        Self { loader: format!("{before}{}", grub.name()), entries }
    }
}

impl Entry {
    fn new(id: &str, forecasts: Forecasts) -> Self {
        Self { id: id.to_owned(), title: None, is_default: false, elsewhere: None, forecasts }
    }
}

/// The paths of the programs that firmware may start: the one that the user names, if it is there; or those that it starts without a
/// boot option, one for each architecture.
pub(super) fn programs(volume: &dyn Volume, named: Option<&str>) -> Result<Vec<String>> {
    let named = named.map(|path| path.split(['/', '\\']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"));
    let (folder, named) = match named.as_deref().map(|path| path.rsplit_once('/').unwrap_or(("", path))) {
        Some((folder, name)) => (folder, Some(name)),
        None => (BOOT, None),
    };
    let is_program = |name: &String| {
        let lower = name.to_ascii_lowercase();
        let is_default = lower.strip_suffix(".efi").is_some_and(|name| name.starts_with("boot"));
        named.map_or(is_default, |named| name.eq_ignore_ascii_case(named))
    };
    let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let found = volume.names(folder)?.into_iter().filter(is_program);
    Ok(found.map(|name| format!("{start}{name}")).collect())
}

/// The path of the program that firmware starts.
fn program_of_firmware(volume: &dyn Volume, named: Option<&str>) -> Result<String> {
    let found = programs(volume, named)?;
    match (found.as_slice(), named) {
        ([program], _) => Ok(program.clone()),
        ([], Some(named)) => Err(Error::new(named, "is not on the partition").hint("is --boot right?")),
        ([], None) => Err(Error::new(BOOT, "has no program that firmware starts, such as BOOTX64.EFI")
            .hint("is it an EFI system partition? --boot names another program")),
        (several, _) => Err(Error::new(several.join(", "), "the partition has programs for several architectures")
            .hint("choose one with --boot")),
    }
}

/// The architecture of a program as systemd-boot calls it (systemd, src/fundamental/efi-fundamental.h and meson.build,
/// `EFI_MACHINE_TYPE_NAME`). The program says it in its header (PE Format, "Machine Types").
fn architecture(program: &[u8]) -> Option<&'static str> {
    let fields = Fields(program);
    let header = usize::try_from(fields.u32_le(0x3C)?).ok()?;
    match fields.u16_le(header.checked_add(4)?)? {
        0x8664 => Some("x64"),
        0x014C => Some("ia32"),
        0xAA64 => Some("aa64"),
        0x01C2 | 0x01C4 => Some("arm"),
        0x5032 => Some("riscv32"),
        0x5064 => Some("riscv64"),
        0x6264 => Some("loongarch64"),
        _ => None,
    }
}

/// The menu of systemd-boot.
#[derive(Clone, Copy)]
struct Menu<'a> {
    loader: &'a SystemdBoot,
    /// The boot loader itself, if it is on this partition.
    path: Option<&'a str>,
    architecture: &'a str,
    volume: &'a dyn Volume,
    banks: &'a [Bank],
}

impl Menu<'_> {
    fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = self.type_2()?;
        entries.extend(self.type_1()?);
        Ok(entries)
    }

    /// The entries of another partition. Their paths are those of that partition.
    fn elsewhere(&self, other: &DiskVolume<'_>) -> Result<Vec<Entry>> {
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

/// Files that systemd's stub takes from the partition (systemd-stub(7), "Companion Files"): addons, credentials, extensions.
fn with_files_beside(volume: &dyn Volume, path: &str, mut forecasts: Forecasts) -> Result<Forecasts> {
    for folder in [&format!("{path}.extra.d"), "loader/addons", "loader/credentials"] {
        let names = volume.names(folder)?;
        let why = |file: &String| format!("{folder}/{file}: what the stub takes from there is not predicted");
        if let Some(file) = names.first() {
            for pcr in [9, 12] {
                forecasts.open(pcr, why(file));
            }
        }
        // Extension images (systemd, src/boot/stub.c, `pack_cpio` with TPM2_PCR_SYSEXTS).
        if let Some(image) = names.iter().find(|name| name.to_ascii_lowercase().ends_with(".raw")) {
            forecasts.extensions = Some(why(image));
        }
    }
    Ok(forecasts)
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
