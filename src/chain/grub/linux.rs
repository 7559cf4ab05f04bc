//! The commands `linux` and `initrd` (2.06: grub-core/loader/i386/linux.c and i386/efi/linux.c; 2.12: grub-core/loader/efi/linux.c).

use super::machine::{Loaded, Machine};
use super::stop::{Run, Stop};

/// The longest command line, in bytes: a kernel for x86 takes 2047 (arch/x86/include/asm/setup.h, `COMMAND_LINE_SIZE`), and
/// GRUB cuts off what is longer.
const LONGEST: usize = 2047;
/// What GRUB puts before the path of the kernel (include/grub/i386/linux.h, `LINUX_IMAGE`).
const BEFORE: &str = "BOOT_IMAGE=";

/// Loads a kernel.
pub(super) fn kernel(machine: &mut Machine<'_>, arguments: &[String], place: &str) -> Run<bool> {
    let path = arguments.first().ok_or_else(|| Stop::new("linux: the kernel is missing"))?;
    let kernel = open(machine, "the kernel", path)?;
    let text = joined(arguments);
    if BEFORE.len() + text.len() > LONGEST {
        return Err(Stop::new("linux: the command line is too long"));
    }
    machine.measure("kernel_cmdline", &text, place)?;
    let command_line = format!("{BEFORE}{text}");
    machine.loaded = Some(Loaded { kernel, command_line, place: place.to_owned(), initrds: Vec::new() });
    Ok(true)
}

/// Loads the initrds.
pub(super) fn initrd(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    if arguments.is_empty() {
        return Err(Stop::new("initrd: the file is missing"));
    }
    if machine.loaded.as_ref().is_none_or(|loaded| !loaded.initrds.is_empty()) {
        return Err(Stop::new("initrd: there is no kernel yet, or it has its initrd"));
    }
    let mut initrds = Vec::new();
    for path in arguments {
        if path.starts_with("newc:") {
            return Err(Stop::new("initrd: newc: is not predicted"));
        }
        initrds.push(open(machine, "the initrd", path)?);
    }
    if let Some(loaded) = &mut machine.loaded {
        loaded.initrds = initrds;
    }
    Ok(true)
}

fn open(machine: &mut Machine<'_>, what: &str, path: &str) -> Run<(usize, String)> {
    match machine.open(what, path)? {
        Some((Some(number), path)) => Ok((number, path)),
        Some((None, _)) => Err(Stop::new(format!("{path}: is in the memory disk, which is not predicted"))),
        None => Err(Stop::new(format!("{path}: is not there, so the entry does not boot"))),
    }
}

/// The arguments with a space between them, and GRUB's quotes (grub-core/lib/cmdline.c, `grub_create_loader_cmdline`).
fn joined(arguments: &[String]) -> String {
    let mut text = String::new();
    for (number, argument) in arguments.iter().enumerate() {
        let quote = if argument.contains(' ') { "\"" } else { "" };
        text.push_str(if number > 0 { " " } else { "" });
        text.push_str(quote);
        for c in argument.chars() {
            if matches!(c, '\\' | '\'' | '"') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push_str(quote);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_have_the_quotes_of_grub() {
        let words = ["/vmlinuz", "a b", "q'c", "\\", ""].map(str::to_owned);
        assert_eq!(joined(&words), r#"/vmlinuz "a b" q\'c \\ "#);
    }
}
