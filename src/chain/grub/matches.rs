//! The file systems that a search finds.

use super::machine::Machine;
use super::stop::Run;
use super::volumes::{Seen, Wanted, name};

/// What a search finds.
pub(super) struct Matches {
    /// The numbers of the file systems with the label, the UUID or the file.
    pub(super) found: Vec<usize>,
    /// The first one that cannot be read here, and why.
    pub(super) unread: Option<(usize, String)>,
}

impl Matches {
    /// Looks at all file systems, without measuring anything.
    pub(super) fn of(machine: &Machine<'_>, wanted: Wanted, what: &str) -> Run<Self> {
        let (mut found, mut unread) = (Vec::<usize>::new(), None);
        let seen = machine.world.seen;
        for (number, this) in seen.iter().enumerate() {
            let is_it = match wanted {
                Wanted::Label => this.label.as_deref() == Some(what),
                Wanted::Uuid => this.uuid.as_deref().is_some_and(|uuid| uuid.eq_ignore_ascii_case(what)),
                // What GRUB cannot read has no files for it.
                Wanted::File if this.module.is_some_and(|module| !machine.has_module(module)) => false,
                Wanted::File => match this.files.has_folder("") {
                    Ok(_) => machine.is_there(&path(number, what))?,
                    Err(why) => {
                        unread.get_or_insert_with(|| (number, why.to_string()));
                        false
                    }
                },
            };
            // A CD on a stick is all of the disk and a partition.
            let is_same =
                |&other: &usize| this.start.is_some() && seen.get(other).is_some_and(|other| other.start == this.start);
            if is_it && !found.iter().any(is_same) {
                found.push(number);
            }
        }
        Ok(Self { found, unread })
    }
}

/// The path of a file on a file system, as GRUB writes it.
pub(super) fn path(number: usize, path: &str) -> String {
    format!("({}){path}", name(number))
}

/// How messages call a file system.
pub(super) fn place(seen: &[Seen<'_>], number: usize) -> String {
    let partition = seen.get(number).and_then(|seen| seen.partition.clone());
    partition.unwrap_or_else(|| "a file system that is no partition".to_owned())
}
