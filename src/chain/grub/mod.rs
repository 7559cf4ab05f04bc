//! GRUB: firmware -> GRUB -> kernel and initrd. It runs its configuration here as it does on the machine, as far as that follows
//! from the files: each command goes into PCR 8, each file that it opens into PCR 9 (grub-core/commands/tpm.c). Where it does
//! not follow, the reason names the file and the line.
//!
//! The program (`image`) has the first configuration (`rescue`) and modules (`module`). A text (`source`) becomes tokens (`lexer`),
//! these become statements (`parser`, `syntax`), whose words are replaced (`words`), and which then run (`run`, `commands`) on a
//! machine that only measures (`machine`, `files`, `loading`, `measured`, `environment`, `variables`) and sees the given file systems (`volumes`). Each entry of the
//! menu (`menu`, `default_entry`) then has its forecasts (`boot`).

mod boot;
#[cfg(test)]
mod choice_tests;
mod commands;
mod default_entry;
#[cfg(test)]
mod disk_tests;
mod environment;
mod files;
mod gettext;
mod grubenv;
mod image;
mod lexer;
mod linux;
mod loading;
mod machine;
#[cfg(test)]
pub(super) mod made_grub;
#[cfg(test)]
mod made_menu;
mod matches;
mod measured;
mod memdisk;
mod menu;
mod menuentry;
mod module;
mod number;
mod parser;
mod password;
mod rescue;
mod run;
mod search;
mod source;
mod stop;
mod syntax;
mod tar;
mod test_command;
#[cfg(test)]
mod tests;
mod variables;
mod volumes;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub(super) use volumes::Seen;

use self::image::Image;
use self::machine::{Machine, World};
use self::run::Flow;
use self::stop::{Run, Stop};
use super::event::Expected;
use super::forecasts::Forecasts;
#[cfg(test)]
use super::made_pe;
use super::pe::PeFile;
use super::shim::Shim;
use super::{firmware, joined};
use crate::error::Result;
use crate::hash::bank::Bank;

/// What GRUB starts.
#[derive(Debug)]
pub(super) struct GrubEntry {
    /// The name of the entry, with those of the menus around it.
    pub id: String,
    /// Its title.
    pub title: Option<String>,
    /// Whether GRUB starts it if nobody chooses.
    pub is_default: bool,
    /// What is expected.
    pub forecasts: Forecasts,
}

/// GRUB.
#[derive(Debug)]
pub(super) struct Grub {
    image: Image,
    /// Its own event in PCR 4.
    event: Expected,
    path: String,
}

impl Grub {
    /// The program with these bytes at `path`. `None` if it is not GRUB.
    ///
    /// # Errors
    /// If it is no program for UEFI.
    pub(super) fn of(path: &str, bytes: &[u8], banks: &[Bank]) -> Result<Option<Self>> {
        let file = PeFile::parse(bytes).map_err(|error| error.on(path))?;
        let Some(image) = Image::of(&file) else { return Ok(None) };
        let event = firmware::program(bytes, &name(&image), path, banks)?;
        Ok(Some(Self { image, event, path: path.to_owned() }))
    }

    /// Its name with its version, and its path.
    pub(super) fn name(&self) -> String {
        format!("{} ({})", name(&self.image), self.path)
    }

    /// The boots of its menu. `seen` are the file systems that it sees; the first one is its own. `shim` starts it, or the firmware.
    /// If nothing follows, there is one boot with the reason.
    pub(super) fn boots(&self, seen: &[Seen<'_>], shim: Option<&Shim>, banks: &[Bank]) -> Vec<GrubEntry> {
        let (digested, hashed) = (RefCell::new(BTreeMap::new()), RefCell::new(BTreeMap::new()));
        let [off, on] = [false, true].map(|is_secure| {
            let world = World {
                image: &self.image,
                seen,
                banks,
                is_secure,
                has_shim: shim.is_some(),
                digested: &digested,
                hashed: &hashed,
                steps: Cell::new(0),
            };
            let start = |mut entry: GrubEntry| {
                if let Some(shim) = shim {
                    shim.starts(&mut entry.forecasts, banks);
                }
                entry
            };
            self.boots_in(&world).map(|entries| entries.into_iter().map(start).collect::<Vec<_>>())
        });
        // A reason that holds for the whole menu is one of each entry.
        let unknown = |entries: &[GrubEntry], stop: &Stop| -> Vec<GrubEntry> {
            let entry = |entry: &GrubEntry| GrubEntry {
                id: entry.id.clone(),
                title: entry.title.clone(),
                is_default: entry.is_default,
                forecasts: Forecasts::of_unknown(&stop.text()),
            };
            entries.iter().map(entry).collect()
        };
        let (off, on) = match (off, on) {
            (Ok(off), Ok(on)) => (off, on),
            (Ok(off), Err(stop)) => {
                let on = unknown(&off, &stop);
                (off, on)
            }
            (Err(stop), Ok(on)) => (unknown(&on, &stop), on),
            (Err(stop), Err(_)) => {
                let forecasts = self.started(Err(stop));
                let mut entry = GrubEntry { id: self.path.clone(), title: None, is_default: true, forecasts };
                if let Some(shim) = shim {
                    shim.starts(&mut entry.forecasts, banks);
                }
                return vec![entry];
            }
        };
        with_secure_boot(off, on)
    }

    /// The boots of its menu, with Secure Boot or without it. An error is the reason of all.
    fn boots_in(&self, world: &World<'_>) -> Run<Vec<GrubEntry>> {
        if world.is_secure && world.has_shim && self.image.modules.contains("shim_lock") {
            return Err(Stop::new("GRUB has its own module shim_lock, which is not predicted"));
        }
        if world.is_secure && !world.has_shim {
            return Err(Stop::new("no shim starts GRUB, so it starts no kernel with Secure Boot"));
        }
        if self.image.has_key {
            return Err(Stop::new("GRUB has a key that signs its files, which is not predicted"));
        }
        let mut machine = Machine::new(world);
        self.prepare(&mut machine)?;
        if run::start(&mut machine)? == Flow::Boot {
            let forecasts = self.started(Ok(boot::forecasts(&machine)?));
            return Ok(vec![GrubEntry { id: self.path.clone(), title: None, is_default: true, forecasts }]);
        }
        let entry = |choice: menu::Choice| {
            let (id, title, is_default) = (choice.id, Some(choice.title), choice.is_default);
            GrubEntry { id, title, is_default, forecasts: self.started(choice.forecasts) }
        };
        Ok(menu::choices(&machine).into_iter().map(entry).collect())
    }

    /// Where GRUB is, and where the rest of it is (grub-core/kern/main.c, `grub_set_prefix_and_root`).
    fn prepare(&self, machine: &mut Machine<'_>) -> Run<()> {
        run::prepare(machine)?;
        if machine.world.is_secure {
            for name in ["lockdown", "shim_lock"] {
                machine.environment.set(name, "y")?;
                machine.environment.export(name);
            }
        }
        let own = volumes::name(0);
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prefix = self.image.prefix.as_str();
        let (device, path) = match prefix.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some(("", path)) => (own.clone(), path),
            // A partition that was not given stays as it is, and is the reason where GRUB reads it.
            Some((device, path)) if device.starts_with(',') => {
                let device = format!("{own}{device}");
                (volumes::by_name(machine.world.seen, &device).map_or(device, volumes::name), path)
            }
            Some((device, path)) => (device.to_owned(), path),
            None => (own.clone(), prefix),
        };
        let path = if path.is_empty() { format!("/{folder}") } else { path.to_owned() };
        for (name, value) in
            [("cmdpath", format!("({own})/{folder}")), ("prefix", format!("({device}){path}")), ("root", device)]
        {
            machine.environment.set(name, &value)?;
            machine.environment.export(name);
        }
        Ok(())
    }

    /// PCR 4 has GRUB before what it starts. PCR 14 is zero without shim.
    fn started(&self, forecasts: Run<Forecasts>) -> Forecasts {
        let mut forecasts = forecasts.unwrap_or_else(|stop| Forecasts::of_unknown(&stop.text()));
        forecasts.started_by(self.event.clone());
        forecasts.follows(14, Vec::new(), &["no shim starts GRUB"]);
        forecasts
    }
}

/// Each boot with what it is without Secure Boot and with it. A boot that the menu offers in one case only has a reason in the other.
fn with_secure_boot(off: Vec<GrubEntry>, on: Vec<GrubEntry>) -> Vec<GrubEntry> {
    let mut on: Vec<_> = on.into_iter().map(Some).collect();
    let mut all = Vec::new();
    for entry in off {
        let same = on.iter_mut().find(|other| other.as_ref().is_some_and(|other| other.id == entry.id));
        let secure = match same.and_then(Option::take) {
            Some(other) => other.forecasts,
            None => Forecasts::of_unknown(NOT_OFFERED),
        };
        all.push(GrubEntry { forecasts: joined::joined(entry.forecasts, secure), ..entry });
    }
    all.extend(on.into_iter().flatten().map(|entry| GrubEntry {
        forecasts: joined::joined(Forecasts::of_unknown(NOT_OFFERED), entry.forecasts),
        is_default: false,
        ..entry
    }));
    all
}

/// Why a boot does not follow in one state of Secure Boot.
const NOT_OFFERED: &str = "the menu of GRUB does not have this entry then";

/// The name with the version, if the program has it.
fn name(image: &Image) -> String {
    let version = image.normal.as_ref().map(|normal| normal.version.as_str()).unwrap_or_default();
    format!("GRUB {version}").trim_end().to_owned()
}
