//! What a path names, with the links on it (grub-core/fs/fshelp.c, `grub_fshelp_find_file`).

use super::inode::Kind;
use super::{Ext, ROOT_INODE};
use crate::error::{Error, Result};

/// How many links GRUB follows on the way of a path: at the eighth it gives up.
const MOST_LINKS: usize = 7;
/// How many names are looked up for a path at most, those of links, too.
const MOST_NAMES: usize = 256;

/// The inode at a path, and what it is. `None` if there is none: a name is missing, or is in no folder.
pub(super) fn find(ext: &Ext<'_>, path: &str) -> Result<Option<(Kind, u32)>> {
    // The folder on the way, with those above it.
    let mut way = vec![(Kind::Folder, ROOT_INODE)];
    // The names that are left, the next one at the end.
    let mut left: Vec<String> = Vec::new();
    push(&mut left, path);
    let mut links = 0;
    for _ in 0..MOST_NAMES {
        let Some(name) = left.pop() else { return Ok(way.pop()) };
        let Some(&(Kind::Folder, folder)) = way.last() else { return Ok(None) };
        if name == ".." {
            way.truncate(way.len().saturating_sub(1).max(1));
        }
        if name == ".." || name == "." {
            continue;
        }
        let entries = ext.entries(&ext.inode(folder)?)?;
        let mut found = None;
        for entry in entries.iter().filter(|entry| entry.name == name.as_bytes()) {
            let kind = ext.kind(entry)?;
            // GRUB does not find other kinds, but one of the same name behind it.
            if kind != Kind::Other {
                found = Some((kind, entry.inode));
                break;
            }
        }
        match found {
            None => return Ok(None),
            Some((Kind::Link, number)) => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Error::new(name, format_args!("GRUB follows no more than {MOST_LINKS} links"))
                        .hint("do they lead to each other?"));
                }
                let target = ext.target(&ext.inode(number)?)?;
                if target.starts_with('/') {
                    way.truncate(1);
                }
                push(&mut left, &target);
            }
            Some(found) => way.push(found),
        }
    }
    Err(Error::new(path, format_args!("has more than {MOST_NAMES} names with those of its links")))
}

fn push(left: &mut Vec<String>, path: &str) {
    left.extend(path.split('/').filter(|name| !name.is_empty()).rev().map(str::to_owned));
}
