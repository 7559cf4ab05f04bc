//! The menu, and what each of its entries leads to (grub-core/normal/menu.c).

use super::boot;
use super::default_entry::{self, split};
use super::machine::{Item, Machine, Stage};
use super::run::{self, Flow};
use super::stop::{Run, Stop};
use crate::chain::forecasts::Forecasts;

/// How deep menus may be in each other.
const DEEPEST: usize = 8;
/// The most boots of all menus.
const MOST: usize = 256;

/// A boot that the menu offers.
pub(super) struct Choice {
    /// The names of the entry and of the menus around it: `Advanced options>Linux 6.1`.
    pub(super) id: String,
    pub(super) title: String,
    /// Whether GRUB starts it if nobody chooses.
    pub(super) is_default: bool,
    /// What is expected. An error says why that does not follow.
    pub(super) forecasts: Run<Forecasts>,
}

/// The boots of the menu that a machine shows.
pub(super) fn choices(machine: &Machine<'_>) -> Vec<Choice> {
    let mut found = Vec::new();
    add(machine, "", true, 0, &mut found);
    found
}

fn add(machine: &Machine<'_>, before: &str, is_default: bool, depth: usize, found: &mut Vec<Choice>) {
    let default = default_entry::of(machine);
    for (number, item) in machine.menu.iter().enumerate() {
        if found.len() >= MOST {
            return;
        }
        let name = item.id.as_ref().unwrap_or(&item.title);
        let id = if before.is_empty() { name.clone() } else { format!("{before}>{name}") };
        let is_default = is_default && default == Some(number);
        let forecasts = match execute(machine, item) {
            Ok((machine, Flow::Menu)) if depth < DEEPEST => {
                add(&machine, &id, is_default, depth + 1, found);
                continue;
            }
            Ok((machine, Flow::Boot)) => boot::forecasts(&machine),
            Ok(_) => Err(Stop::new("menus are too deep in each other").at(&item.source.file, item.line)),
            Err(stop) => Err(stop),
        };
        found.push(Choice { id, title: item.title.clone(), is_default, forecasts });
    }
}

/// Runs an entry.
fn execute<'a>(before: &Machine<'a>, item: &Item) -> Run<(Machine<'a>, Flow)> {
    let place = |stop: Stop| stop.at(&item.source.file, item.line);
    before.spend(before.size()).map_err(place)?;
    let mut machine = before.clone();
    machine.menu = Vec::new();
    machine.loaded = None;
    machine.stage = Stage::Entry;
    // grub-core/normal/menu.c, `grub_menu_execute_entry`, and auth.c, `is_authenticated`.
    if item.is_restricted && before.environment.has("superusers") {
        machine.assumes.insert(format!("someone gives GRUB the password of a user who may start {}", item.title));
    }
    let name = item.id.as_ref().unwrap_or(&item.title).replace('>', ">>");
    let chosen = before.environment.get("chosen");
    let chosen = if chosen.is_empty() { name } else { format!("{chosen}>{name}") };
    if item.is_submenu {
        machine.environment.open();
    }
    machine.environment.set("chosen", &chosen).map_err(place)?;
    machine.environment.export("chosen");
    match split(before.environment.get("default")).1 {
        Some(rest) => machine.environment.set("default", rest).map_err(place)?,
        None => machine.environment.unset("default"),
    }
    machine.arguments = Some(item.arguments.clone());
    let words = format!("setparams {}", item.arguments.join(" "));
    let at = format!("{}:{}", item.source.file, item.line);
    machine.measure("grub_cmd", &words, &at).map_err(place)?;
    let flow = run::run_source(&mut machine, &item.source).map_err(place)?;
    let flow = match flow {
        Flow::Over(_) if machine.loaded.is_some() => Flow::Boot,
        Flow::Over(_) if item.is_submenu && !machine.menu.is_empty() => Flow::Menu,
        Flow::Over(_) => return Err(place(Stop::new("the entry loads no kernel"))),
        flow => flow,
    };
    Ok((machine, flow))
}
