//! The options of `menuentry` and `submenu` (grub-core/commands/menuentry.c, `options`).

use super::machine::Item;
use super::source::Source;
use super::stop::{Run, Stop};
use super::volumes::has_name;

/// Reads the words of a menu entry.
pub(super) fn parse(words: &[String], source: Source, line: u32, is_submenu: bool) -> Run<Item> {
    let (title, arguments) = (String::new(), Vec::new());
    let mut item = Item { title, id: None, arguments, source, line, is_submenu, is_restricted: true };
    let (mut is_unrestricted, mut has_users) = (false, false);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        match option {
            "--unrestricted" => is_unrestricted = true,
            "--class" | "--users" | "--hotkey" | "--id" => {
                let value = value.or_else(|| words.next());
                let value = value.ok_or_else(|| Stop::new(format!("menuentry: {option} has no value")))?;
                match option {
                    "--id" => item.id = Some(value.to_owned()),
                    "--users" => has_users = true,
                    _ => {}
                }
            }
            _ if word.starts_with('-') && word.len() > 1 => {
                return Err(Stop::new(format!("menuentry: the option {option} is not predicted")));
            }
            _ => item.arguments.push(word.to_owned()),
        }
    }
    item.is_restricted = has_users || !is_unrestricted;
    item.title = item.arguments.first().ok_or_else(|| Stop::new("menuentry: the title is missing"))?.clone();
    if has_name(&item.title) || item.id.as_deref().is_some_and(has_name) {
        return Err(Stop::new("menuentry: its title has the name of a disk, which the machine decides"));
    }
    Ok(item)
}
