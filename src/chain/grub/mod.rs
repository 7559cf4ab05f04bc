//! GRUB: firmware -> GRUB -> kernel and initrd. It runs its configuration here as it does on the machine, as far as that follows
//! from the files: each command goes into PCR 8, each file that it opens into PCR 9 (grub-core/commands/tpm.c). Where it does
//! not follow, the reason names the file and the line.
//!
//! The program (`image`) has the first configuration (`rescue`) and modules (`module`). A text (`source`) becomes tokens (`lexer`),
//! these become statements (`parser`, `syntax`), whose words are replaced (`words`), and which then run (`run`, `commands`) on a
//! machine that only measures (`machine`, `measured`, `environment`) and sees the given file systems (`volumes`). Each entry of the
//! menu (`menu`) then has its forecasts (`boot`).

mod boot;
mod commands;
mod environment;
mod image;
mod lexer;
mod linux;
mod machine;
#[cfg(test)]
pub(super) mod made_grub;
mod measured;
mod menu;
mod menuentry;
mod module;
mod parser;
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
use super::firmware;
use super::forecasts::Forecasts;
#[cfg(test)]
use super::made_pe;
use super::pe::PeFile;
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

    /// The boots of its menu. `seen` are the file systems that it sees; the first one is its own. If nothing follows, there is
    /// one boot with the reason.
    pub(super) fn boots(&self, seen: &[Seen<'_>], banks: &[Bank]) -> Vec<GrubEntry> {
        let only = |forecasts: Run<Forecasts>| {
            vec![GrubEntry { id: self.path.clone(), title: None, is_default: true, forecasts: self.started(forecasts) }]
        };
        if self.image.has_key {
            return only(Err(Stop::new("GRUB has a key that signs its files, which is not predicted")));
        }
        let (digested, steps) = (RefCell::new(BTreeMap::new()), Cell::new(0));
        let world = World { image: &self.image, seen, banks, digested, steps };
        let mut machine = Machine::new(&world);
        match self.prepare(&mut machine).and_then(|()| run::start(&mut machine)) {
            Err(stop) => only(Err(stop)),
            Ok(Flow::Boot) => only(boot::forecasts(&machine)),
            Ok(_) => {
                let choices = menu::choices(&machine).into_iter();
                let entry = |choice: menu::Choice| {
                    let (id, title, is_default) = (choice.id, Some(choice.title), choice.is_default);
                    GrubEntry { id, title, is_default, forecasts: self.started(choice.forecasts) }
                };
                choices.map(entry).collect()
            }
        }
    }

    /// Where GRUB is, and where the rest of it is (grub-core/kern/main.c, `grub_set_prefix_and_root`).
    fn prepare(&self, machine: &mut Machine<'_>) -> Run<()> {
        run::prepare(machine)?;
        let own = volumes::name(0);
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prefix = self.image.prefix.as_str();
        let (device, path) = match prefix.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) if device.is_empty() || device.starts_with(',') => (format!("{own}{device}"), path),
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

/// The name with the version, if the program has it.
fn name(image: &Image) -> String {
    let version = image.normal.as_ref().map(|normal| normal.version.as_str()).unwrap_or_default();
    format!("GRUB {version}").trim_end().to_owned()
}
