//! The commands that run no other commands.

use super::grubenv;
use super::image::Known;
use super::linux;
use super::machine::Machine;
use super::memdisk;
use super::password;
use super::search;
use super::stop::{Run, Stop};
use super::test_command;
use super::volumes::Wanted;

/// The commands of GRUB's core: they need no module (grub-core/kern/corecmd.c).
const CORE: [&str; 4] = ["set", "unset", "ls", "insmod"];

/// The module that has a command (the file command.lst of 2.06 and 2.12). `None` if it is not known here.
fn module_of(command: &str) -> Option<&'static str> {
    Some(match command {
        "menuentry" | "submenu" | "setparams" | "export" | "clear" | "normal" => "normal",
        "source" | "." | "configfile" => "configfile",
        "test" | "[" => "test",
        "true" | "false" => "true",
        "echo" => "echo",
        "sleep" => "sleep",
        "search" => "search",
        "search.file" => "search_fs_file",
        "search.fs_label" => "search_label",
        "search.fs_uuid" => "search_fs_uuid",
        "linux" | "initrd" => "linux",
        "linuxefi" | "initrdefi" => "linuxefi",
        "loadfont" => "font",
        "boot" => "boot",
        "serial" => "serial",
        "load_env" | "save_env" => "loadenv",
        "fwsetup" => "efifwsetup",
        "chainloader" => "chain",
        "halt" => "halt",
        "reboot" => "reboot",
        "password" => "password",
        "password_pbkdf2" => "password_pbkdf2",
        "play" => "play",
        "terminal_input" | "terminal_output" => "terminal",
        _ => return None,
    })
}

/// Whether GRUB has the command, now or from a module that it loads for it.
pub(super) fn is_there(machine: &mut Machine<'_>, command: &str) -> Run<bool> {
    if CORE.contains(&command) || module_of(command).is_some_and(|module| machine.has_module(module)) {
        return Ok(true);
    }
    let Some(module) = machine.module_of(command) else { return Ok(false) };
    if !machine.load(&module)? {
        return Err(Stop::new(format!("{command}: its module {module} is not there")));
    }
    Ok(true)
}

/// Runs a command. True if it had success.
pub(super) fn run(machine: &mut Machine<'_>, command: &str, arguments: &[String], place: &str) -> Run<bool> {
    match command {
        "set" => set(machine, arguments),
        "unset" => {
            if let Some(name) = arguments.first() {
                machine.unset(name)?;
            }
            Ok(!arguments.is_empty())
        }
        "export" => {
            for name in arguments {
                machine.environment.export(name);
            }
            Ok(!arguments.is_empty())
        }
        "insmod" => match arguments.first() {
            Some(name) if name.starts_with(['/', '(', '+']) => {
                Err(Stop::new("insmod: modules by their path are not predicted"))
            }
            // It has success even if the module is missing (grub-core/kern/corecmd.c).
            Some(name) => machine.load(name).map(|_| true),
            None => Ok(false),
        },
        "true" | "echo" | "clear" | "sleep" | "serial" => Ok(true),
        "false" => Ok(false),
        "password" => Ok(password::plain(arguments)),
        "password_pbkdf2" => Ok(password::pbkdf2(arguments)),
        // Notes; one word alone is a file (grub-core/commands/i386/pc/play.c).
        "play" if arguments.len() > 2 && arguments.iter().all(|word| is_note(word)) => Ok(true),
        "test" | "[" => test_command::run(machine, arguments),
        "search" => search::run(machine, arguments),
        "search.file" => search::run_short(machine, Wanted::File, arguments),
        "search.fs_label" => search::run_short(machine, Wanted::Label, arguments),
        "search.fs_uuid" => search::run_short(machine, Wanted::Uuid, arguments),
        "linux" | "linuxefi" => linux::kernel(machine, arguments, place),
        "initrd" | "initrdefi" => linux::initrd(machine, arguments),
        "loadfont" => load_fonts(machine, arguments),
        "load_env" => grubenv::load(machine, arguments),
        "save_env" => grubenv::save(machine, arguments),
        // 2.06 does not look at the word, and restarts the machine.
        "fwsetup"
            if machine.known()? == Known::V2_12 && arguments.first().is_some_and(|word| word == "--is-supported") =>
        {
            let settings = "the firmware shows its settings to who restarts the machine from GRUB (fwsetup)";
            machine.assumes.insert(settings.to_owned());
            Ok(true)
        }
        "fwsetup" => Err(Stop::new("fwsetup: starts the firmware's settings, and no kernel")),
        "halt" | "reboot" => Err(Stop::new(format!("{command}: starts no kernel"))),
        "chainloader" => Err(Stop::new("chainloader: another boot loader is not predicted")),
        "terminal_input" | "terminal_output" => terminal(machine, command, arguments),
        _ => Err(Stop::new(format!("what the command {command} does is not predicted"))),
    }
}

/// Whether a word of `play` is a number that is not zero.
fn is_note(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte != b'0')
}

fn set(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    let Some(assignment) = arguments.first() else { return Ok(true) };
    let Some((name, value)) = assignment.split_once('=') else { return Ok(false) };
    machine.set(name, value).map(|()| true)
}

/// Loads fonts by their path or from the folder beside the modules (grub-core/font/font_cmd.c, font.c `grub_font_load`).
fn load_fonts(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    for font in arguments {
        if font == memdisk::FONT && memdisk::is_of_a_font(&machine.world.image.memdisk) {
            machine.assumes.insert("GRUB has its font in its memory disk, a squashfs, as Debian's has".to_owned());
            continue;
        }
        let places = match font.as_str() {
            path if path.starts_with(['/', '(', '+']) => vec![path.to_owned()],
            name => ["(memdisk)", machine.environment.get("prefix")].map(|at| format!("{at}/fonts/{name}.pf2")).into(),
        };
        let mut found = None;
        for place in places {
            if found.is_none() {
                found = machine.read("a font", &place)?;
            }
        }
        let Some((path, bytes)) = found else { return Ok(false) };
        // The first section of a font (grub-core/font/font.c).
        // It is measured, then refused; one of the memory disk is not looked at (grub-core/kern/lockdown.c).
        if machine.world.is_secure && !path.starts_with('(') {
            return Ok(false);
        }
        if !bytes.starts_with(b"FILE\0\0\0\x04PFF2") {
            return Err(Stop::new(format!("loadfont: {path} is no font")));
        }
    }
    Ok(true)
}

/// Chooses terminals. Those without a module are always there.
fn terminal(machine: &mut Machine<'_>, command: &str, arguments: &[String]) -> Run<bool> {
    for name in arguments.iter().filter(|name| !matches!(name.as_str(), "--append" | "--remove")) {
        if name == "gfxterm" && machine.has_module("gfxterm") {
            machine.assumes.insert("GRUB shows its menu on a screen with graphics (gfxterm)".to_owned());
            continue;
        }
        let is_there = name == "console" || (name.starts_with("serial") && machine.has_module("serial"));
        if !is_there {
            return Err(Stop::new(format!("{command}: what the terminal {name} needs is not predicted")));
        }
    }
    Ok(true)
}
