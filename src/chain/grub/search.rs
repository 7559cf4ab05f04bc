//! The command `search` (grub-core/commands/search_wrap.c and search.c). With `--file`, it opens the file, which measures it.

use super::machine::Machine;
use super::matches::{Matches, path, place};
use super::stop::{Run, Stop};
use super::volumes::{Seen, Wanted, has_name, name};

/// What a search asks for.
#[derive(Debug, Default)]
struct Search {
    wanted: Option<Wanted>,
    /// Whether `--set` is there, and with which variable.
    set: Option<Option<String>>,
    what: Option<String>,
}

/// Runs `search`. True if something was found.
pub(super) fn run(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    let search = parse(arguments)?;
    let wanted = search.wanted.ok_or_else(|| Stop::new("search: does not say what to search for"))?;
    // `--set=NAME` alone is a search for NAME (search_wrap.c, `grub_cmd_search`).
    let (variable, what) = match (search.set, search.what) {
        (set, Some(what)) => (set.map(|set| set.unwrap_or_else(|| "root".to_owned())), what),
        (Some(Some(what)), None) => (Some("root".to_owned()), what),
        (_, None) => return Err(Stop::new("search: one argument is missing")),
    };
    find(machine, wanted, variable.as_deref(), &what)
}

/// Runs `search.file`, `search.fs_label` or `search.fs_uuid`: what to search for, the variable, and hints.
pub(super) fn run_short(machine: &mut Machine<'_>, wanted: Wanted, arguments: &[String]) -> Run<bool> {
    let what = arguments.first().ok_or_else(|| Stop::new("search: one argument is missing"))?;
    find(machine, wanted, arguments.get(1).map(String::as_str), what)
}

fn parse(arguments: &[String]) -> Run<Search> {
    let mut search = Search::default();
    let mut arguments = arguments.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        let (option, value) =
            argument.split_once('=').map_or((argument, None), |(option, value)| (option, Some(value)));
        match option {
            "--file" | "-f" => search.wanted = Some(Wanted::File),
            "--label" | "-l" => search.wanted = Some(Wanted::Label),
            "--fs-uuid" | "-u" => search.wanted = Some(Wanted::Uuid),
            "--no-floppy" | "-n" => {}
            // The variable may be the next word, if that is no option.
            "--set" | "-s" if value.is_none() => {
                let next = arguments.clone().next().filter(|next| !(next.starts_with('-') && next.len() > 1));
                search.set = Some(next.map(str::to_owned));
                if next.is_some() {
                    arguments.next();
                }
            }
            "--set" => search.set = Some(value.map(str::to_owned)),
            _ if option.starts_with("--hint") => {
                if value.is_none() {
                    arguments.next();
                }
            }
            _ if option.starts_with('-') && option.len() > 1 => {
                return Err(Stop::new(format!("search: the option {option} is not predicted")));
            }
            _ => drop(search.what.get_or_insert_with(|| argument.to_owned())),
        }
    }
    Ok(search)
}

fn find(machine: &mut Machine<'_>, wanted: Wanted, variable: Option<&str>, what: &str) -> Run<bool> {
    if has_name(what) {
        return Err(Stop::new("search: looks for the name of a disk, which the machine decides"));
    }
    let seen = machine.world.seen;
    let (object, known): (_, fn(&Seen<'_>) -> bool) = match wanted {
        Wanted::File => ("the file", |_| true),
        Wanted::Label => ("the label", |seen| seen.label.is_some()),
        Wanted::Uuid => ("the UUID", |seen| seen.uuid.is_some()),
    };
    let Matches { found, unread } = Matches::of(machine, wanted, what)?;
    // Which one GRUB finds first, the hints and the order of the disks decide, and its cache of former searches. Of one disk, it tries
    // the last partition first (grub-core/commands/search.c, `try`; grub-core/kern/device.c, `iterate_partition`).
    if let [first, second, ..] = found.as_slice()
        && (variable.is_some() || wanted == Wanted::File)
    {
        let [first, second] = [first, second].map(|&number| place(seen, number));
        return Err(Stop::new(format!(
            "search: {first} and {second} have {object} {what}: which of them GRUB takes is not predicted"
        )));
    }
    let mut found = found.first().copied();
    if let (None, Some((number, why))) = (found, unread) {
        let place = place(seen, number);
        return Err(Stop::new(format!("search: whether {place} has {object} {what} is not known: {why}")));
    }
    if let (Some(number), Wanted::File) = (found, wanted) {
        machine.open("a file that a search opens", &path(number, what))?;
    }
    if let Some(module) = found.and_then(|number| seen.get(number)?.module).filter(|module| !machine.has_module(module))
    {
        return Err(Stop::new(format!("search: GRUB has not loaded its module {module}, with which it finds {what}")));
    }
    if found.is_none()
        && let [only] = seen
        && !known(only)
    {
        machine.assumes.insert(format!("the file system has {object} {what}, for which GRUB searches"));
        found = Some(0);
    }
    if let Some(number) = found {
        machine
            .assumes
            .insert(format!("no other file system of the machine has {object} {what}, for which GRUB searches"));
        if let Some(variable) = variable {
            machine.set(variable, &name(number))?;
        }
        return Ok(true);
    }
    // GRUB then loads modules for file systems one after the other, as long as it finds nothing.
    if machine.has_fs_list || !seen.iter().all(known) {
        return Err(Stop::new(format!("search: no file system that was given has {object} {what}")));
    }
    machine.assumes.insert(format!("no file system of the machine has {object} {what}, for which GRUB searches"));
    Ok(false)
}
