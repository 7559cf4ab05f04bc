//! Runs configurations and their statements (grub-core/script/execute.c, normal/main.c, commands/configfile.c).

use std::rc::Rc;

use super::machine::{Item, Machine, Stage};
use super::parser::Parser;
use super::source::Source;
use super::stop::{Run, Stop};
use super::syntax::{Arm, Command, Statement};
use super::{commands, menuentry, rescue, words};

/// How a configuration went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is over; the last command had success or not.
    Over(bool),
    /// GRUB shows the menu.
    Menu,
    /// GRUB starts the kernel.
    Boot,
}

/// How errors call the configuration in the image.
const EMBEDDED: &str = "the configuration in GRUB";

/// Runs GRUB from its start to its menu, or to the kernel (grub-core/kern/main.c, `grub_main`).
pub(super) fn start(machine: &mut Machine<'_>) -> Run<Flow> {
    let image = machine.world.image;
    if let Some(config) = &image.config {
        let source = Source::of_embedded(EMBEDDED, config)?;
        for (line, text) in (1..).zip(source.text.lines()) {
            let flow =
                embedded(machine, text, &format!("{EMBEDDED}:{line}")).map_err(|stop| stop.at(EMBEDDED, line))?;
            if !matches!(flow, Flow::Over(_)) {
                return Ok(flow);
            }
        }
    }
    if !machine.load("normal")? {
        return Err(Stop::new("GRUB does not find its module normal"));
    }
    normal(machine, None)
}

fn embedded(machine: &mut Machine<'_>, line: &str, place: &str) -> Run<Flow> {
    let words = rescue::words(line, machine)?;
    let Some((name, arguments)) = words.split_first() else { return Ok(Flow::Over(true)) };
    machine.spend(line.len())?;
    if let (Some((name, value)), []) = (name.split_once('='), arguments) {
        return machine.set(name, value).map(|()| Flow::Over(true));
    }
    if !commands::is_there(machine, name)? {
        return Err(Stop::new(format!("this GRUB does not have the command {name}")));
    }
    dispatch(machine, name, arguments, place)
}

/// Enters normal mode (grub-core/normal/main.c, `grub_cmd_normal` and `grub_normal_execute`).
fn normal(machine: &mut Machine<'_>, file: Option<&str>) -> Run<Flow> {
    machine.known()?;
    let config = match file {
        Some(file) => file.to_owned(),
        None => first_config(machine)?,
    };
    for name in FEATURES.into_iter().chain(["pager", "color_normal", "color_highlight"]) {
        machine.environment.export(name);
    }
    machine.read_lists()?;
    machine.stage = machine.stage.max(Stage::Normal);
    match run_file(machine, &config)? {
        Flow::Over(_) if machine.menu.is_empty() => {
            Err(Stop::new(format!("{}: has no entries, so GRUB waits for commands", shown(&config))))
        }
        Flow::Over(_) => Ok(Flow::Menu),
        flow => Ok(flow),
    }
}

/// What the module normal sets (grub-core/normal/main.c, `features`), besides the platform.
const FEATURES: [&str; 10] = [
    "feature_chainloader_bpb",
    "feature_ntldr",
    "feature_platform_search_hint",
    "feature_default_font_path",
    "feature_all_video_module",
    "feature_menuentry_id",
    "feature_menuentry_options",
    "feature_200_final",
    "feature_nativedisk_cmd",
    "feature_timeout_style",
];

/// Sets the variables that are there before the configuration in the image runs, if `normal` is in the image.
pub(super) fn prepare(machine: &mut Machine<'_>) -> Run<()> {
    for name in FEATURES {
        machine.environment.set(name, "y")?;
    }
    for (name, value) in [("color_normal", "light-gray/black"), ("color_highlight", "black/light-gray")] {
        machine.environment.set(name, value)?;
    }
    for (name, value) in [("grub_cpu", "x86_64"), ("grub_platform", "efi")] {
        machine.environment.set(name, value)?;
        machine.environment.export(name);
    }
    Ok(())
}

/// The configuration that GRUB looks for. With the patch, it opens the file once more to see whether it is there.
fn first_config(machine: &mut Machine<'_>) -> Run<String> {
    if machine.normal()?.has_fw_path {
        for folder in ["cmdpath", "prefix"] {
            let path = format!("{}/grub.cfg", machine.environment.get(folder));
            if machine.open("the configuration, to see whether it is there", &path)?.is_some() {
                return Ok(path);
            }
        }
    }
    Ok(format!("{}/grub.cfg", machine.environment.get("prefix")))
}

/// The path of a configuration without the device, for a person.
fn shown(path: &str) -> &str {
    path.split_once(')').map_or(path, |(_, path)| path).trim_start_matches('/')
}

/// What says which file runs, and in which folder it is (grub-core/normal/main.c, `read_config_file`).
const CONFIG: [&str; 2] = ["config_file", "config_directory"];

/// Runs a file.
fn run_file(machine: &mut Machine<'_>, path: &str) -> Run<Flow> {
    let Some((file, bytes)) = machine.read("the configuration", path)? else {
        return Err(Stop::new(format!("{}: is not there", shown(path))));
    };
    machine.enter()?;
    let before = CONFIG.map(|name| machine.environment.get(name).to_owned());
    let whole =
        if path.starts_with('(') { path.to_owned() } else { format!("({}){path}", machine.environment.get("root")) };
    let folder = whole.rsplit_once('/').map_or(whole.as_str(), |(folder, _)| folder);
    for (name, value) in CONFIG.into_iter().zip([&whole, folder]) {
        machine.environment.set(name, value)?;
        machine.environment.export(name);
    }
    let flow = run_source(machine, &Source::of_file(&file, &bytes)?)?;
    machine.depth -= 1;
    // Before GRUB shows the menu, they are again those of the file that named this one.
    if matches!(flow, Flow::Over(_)) {
        for (name, value) in CONFIG.into_iter().zip(before) {
            if value.is_empty() {
                machine.environment.unset(name);
            } else {
                machine.environment.set(name, &value)?;
            }
        }
    }
    Ok(flow)
}

/// Runs a text.
pub(super) fn run_source(machine: &mut Machine<'_>, source: &Source) -> Run<Flow> {
    machine.spend(source.text.len())?;
    let mut parser = Parser::new(source);
    let mut flow = Flow::Over(true);
    while let Some(statement) = parser.next()? {
        flow = run_statement(machine, &statement)?;
        if !matches!(flow, Flow::Over(_)) {
            break;
        }
    }
    Ok(flow)
}

fn run_list(machine: &mut Machine<'_>, list: &[Statement]) -> Run<Flow> {
    let mut flow = Flow::Over(true);
    for statement in list {
        flow = run_statement(machine, statement)?;
        if !matches!(flow, Flow::Over(_)) {
            break;
        }
    }
    Ok(flow)
}

fn run_statement(machine: &mut Machine<'_>, statement: &Statement) -> Run<Flow> {
    match statement {
        Statement::Command(command) => {
            run_command(machine, command).map_err(|stop| stop.at(&command.file, command.line))
        }
        Statement::If { arms, otherwise } => {
            machine.enter()?;
            let flow = run_if(machine, arms, otherwise);
            machine.depth -= 1;
            flow
        }
        Statement::Loop { word, file, line } => {
            Err(Stop::new(format!("{word}: loops are not predicted")).at(file, *line))
        }
        Statement::Function { name, body } => {
            machine.spend(name.len())?;
            machine.functions.insert(name.clone(), Rc::clone(body));
            Ok(Flow::Over(true))
        }
    }
}

fn run_if(machine: &mut Machine<'_>, arms: &[Arm], otherwise: &[Statement]) -> Run<Flow> {
    for arm in arms {
        match run_list(machine, &arm.condition)? {
            Flow::Over(true) => return run_list(machine, &arm.then),
            Flow::Over(false) => {}
            flow => return Ok(flow),
        }
    }
    run_list(machine, otherwise)
}

fn run_command(machine: &mut Machine<'_>, command: &Command) -> Run<Flow> {
    let place = format!("{}:{}", command.file, command.line);
    let mut arguments = words::expand(machine, &command.words)?;
    if let Some(block) = &command.block {
        arguments.push(format!("{{{}}}", block.text));
    }
    if arguments.is_empty() {
        return Ok(Flow::Over(true));
    }
    machine.spend(0)?;
    machine.measure("grub_cmd", &arguments.join(" "), &place)?;
    let is_inverted = arguments[0] == "!";
    if is_inverted {
        arguments.remove(0);
    }
    let Some((name, rest)) = arguments.split_first() else { return Err(Stop::new("!: a command is missing")) };
    let flow = if commands::is_there(machine, name)? {
        match (name.as_str(), &command.block) {
            ("menuentry" | "submenu", Some(block)) => {
                let words = rest.split_last().map_or(rest, |(_, words)| words);
                let item = menuentry::parse(words, block.clone(), command.line, name == "submenu")?;
                add(machine, item)?;
                Flow::Over(true)
            }
            (_, Some(_)) | ("menuentry" | "submenu", None) => {
                return Err(Stop::new(format!("{name}: with or without a block, which is not predicted")));
            }
            _ => dispatch(machine, name, rest, &place)?,
        }
    } else if let Some(body) = machine.functions.get(name).cloned() {
        machine.enter()?;
        let before = machine.arguments.replace(rest.to_vec());
        let flow = run_list(machine, &body);
        machine.arguments = before;
        machine.depth -= 1;
        flow?
    } else if let Some((name, value)) = name.split_once('=') {
        machine.set(name, value)?;
        Flow::Over(true)
    } else if machine.has_module(name) {
        return Err(Stop::new(format!("what the command {name} does is not predicted")));
    } else {
        return Err(Stop::new(format!("this GRUB does not have the command {name}")));
    };
    Ok(match flow {
        Flow::Over(is_success) => {
            machine.had_success = is_success != is_inverted;
            Flow::Over(machine.had_success)
        }
        flow => flow,
    })
}

/// The most entries of a menu. Debian has one for each kernel and each other system.
const MOST_ENTRIES: usize = 128;

fn add(machine: &mut Machine<'_>, item: Item) -> Run<()> {
    machine.menu.push(item);
    if machine.menu.len() > MOST_ENTRIES { Err(Stop::new("the menu has too many entries")) } else { Ok(()) }
}

/// Runs a command with its arguments.
fn dispatch(machine: &mut Machine<'_>, name: &str, arguments: &[String], place: &str) -> Run<Flow> {
    match name {
        "boot" if machine.loaded.is_some() => Ok(Flow::Boot),
        "boot" => Err(Stop::new("boot: no kernel is loaded")),
        "normal" => normal(machine, arguments.first().map(String::as_str)),
        "source" | "." => {
            let path = arguments.first().ok_or_else(|| Stop::new("source: the file is missing"))?;
            run_file(machine, path)
        }
        "configfile" => {
            let path = arguments.first().ok_or_else(|| Stop::new("configfile: the file is missing"))?;
            machine.environment.open();
            let before = std::mem::take(&mut machine.menu);
            match run_file(machine, path)? {
                Flow::Over(_) if machine.menu.is_empty() => {}
                Flow::Over(_) => return Ok(Flow::Menu),
                flow => return Ok(flow),
            }
            machine.menu = before;
            machine.environment.close();
            Ok(Flow::Over(true))
        }
        "setparams" => {
            if machine.arguments.is_some() {
                machine.arguments = Some(arguments.to_vec());
            }
            Ok(Flow::Over(machine.arguments.is_some()))
        }
        _ => commands::run(machine, name, arguments, place).map(Flow::Over),
    }
}
