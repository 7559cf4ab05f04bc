//! The entry that GRUB takes if nobody chooses (grub-core/normal/menu.c, `get_entry_number`): that of the variable `default`.

use super::machine::{Item, Machine};
use super::number::{self, Number};

/// Its number; the first one if `default` names none. `None` if versions of GRUB differ.
pub(super) fn of(machine: &Machine<'_>) -> Option<usize> {
    let value = machine.environment.get("default");
    let (wanted, _) = split(value);
    let named = |item: &Item| item.title == wanted || item.id.as_deref() == Some(&wanted);
    let number = number::at_start(value);
    let entry = match number {
        // GRUB keeps the lower 32 bits, an `int`.
        Number::Is(number, _) => usize::try_from(number & u64::from(u32::MAX)).ok(),
        Number::TooLarge => None,
        Number::None => machine.menu.iter().position(named),
    };
    if is_fedoras(machine) && is_read_otherwise(machine, value, &number) {
        if !machine.world.is_secure {
            log::warn!(
                "the default of GRUB's menu is not known: Fedora's GRUB may read {} otherwise than GRUB's source",
                crate::error::one_line(&value)
            );
        }
        return None;
    }
    Some(entry.filter(|&entry| entry < machine.menu.len()).unwrap_or(0))
}

/// Whether it may be Fedora's: it has Fedora's patch `fw_path`, and its version is not that of a package of Debian.
fn is_fedoras(machine: &Machine<'_>) -> bool {
    machine.normal().is_ok_and(|normal| normal.has_fw_path && !normal.version.contains('-'))
}

/// Whether Fedora's GRUB takes another entry (rhboot/grub2, fedora-39, grub-core/normal/menu.c, `get_entry_number_helper`): it looks at
/// the names first, at the identifiers before the titles, and takes no number with something behind it.
fn is_read_otherwise(machine: &Machine<'_>, value: &str, number: &Number<'_>) -> bool {
    let (name, _) = split(value);
    let word = value.split_ascii_whitespace().next().unwrap_or_default();
    let is_id = |item: &Item, name: &str| item.id.as_deref().unwrap_or(&item.title) == name;
    let named = machine.menu.iter().filter(|item| is_id(item, &name) || is_id(item, word) || item.title == name);
    match (number, named.count()) {
        (Number::Is(_, "") | Number::TooLarge, 0) => false,
        (Number::None, 0 | 1) => word.len() != value.len() && machine.menu.iter().any(|item| is_id(item, word)),
        _ => true,
    }
}

/// The first name of a path of names, and the rest: `>` is between them, and `>>` is a `>` in a name.
pub(super) fn split(names: &str) -> (String, Option<&str>) {
    let mut first = String::new();
    let mut rest = names.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c == '>' && rest.next_if(|(_, c)| *c == '>').is_none() {
            let rest = names.get(at + 1..).filter(|rest| !rest.is_empty());
            return (first, rest);
        }
        first.push(c);
    }
    (first, None)
}
