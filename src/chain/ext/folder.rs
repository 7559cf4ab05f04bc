//! The entries of a folder, in the order in which GRUB finds them: it does not use the index of a large one.

use super::inode::Kind;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// How long the fields before a name are (kernel, fs/ext4/ext4.h, `struct ext4_dir_entry_2`).
const HEADER: usize = 8;

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) inode: u32,
    /// What it is. `None` if only its inode says it: an ext2 without the feature `filetype`.
    pub(super) kind: Option<Kind>,
}

/// The entries in the bytes of a folder (grub-core/fs/ext2.c, `grub_ext2_iterate_dir`).
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let [_, ..] = rest {
        let (entry, length) = entry(rest)
            .ok_or_else(|| Error::new("folder", "ends within an entry").hint("the file system is damaged"))?;
        entries.extend(entry);
        if length == 0 {
            break;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(entries)
}

/// The first entry, if it is in use, and where the next one begins; 0 if there is none.
fn entry(bytes: &[u8]) -> Option<(Option<Entry>, usize)> {
    let fields = Fields(bytes);
    let (inode, length, [name, kind]) = (fields.u32_le(0)?, fields.u16_le(4)?, fields.at(6)?);
    if length == 0 || inode == 0 || name == 0 {
        return Some((None, length.into()));
    }
    let name = bytes.get(HEADER..HEADER + usize::from(name))?;
    // For GRUB, a name ends at a zero.
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
    // `EXT4_FT_REG_FILE` and what follows.
    let kind = match kind {
        0 => None,
        1 => Some(Kind::File),
        2 => Some(Kind::Folder),
        7 => Some(Kind::Link),
        _ => Some(Kind::Other),
    };
    Some((Some(Entry { name, inode, kind }), length.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(inode: u32, length: u16, kind: u8, name: &[u8]) -> Vec<u8> {
        let mut bytes = inode.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend([u8::try_from(name.len()).unwrap(), kind]);
        bytes.extend(name);
        bytes.resize(bytes.len().max(length.into()), 0);
        bytes
    }

    #[test]
    fn entries_end_where_grub_ends_them() {
        let (a, b) = (made(12, 12, 1, b"a"), made(13, 16, 7, b"bb\0b"));
        let names = |bytes: &[u8]| -> Vec<_> {
            let found = entries(bytes).unwrap();
            found.into_iter().map(|entry| (String::from_utf8(entry.name).unwrap(), entry.inode, entry.kind)).collect()
        };
        let (first, second) = (("a".to_owned(), 12, Some(Kind::File)), ("bb".to_owned(), 13, Some(Kind::Link)));
        let table: [(&[&[u8]], &[_]); 6] = [
            (&[], &[]),
            (&[&a, &b], &[first.clone(), second.clone()]),
            // A deleted entry, the check sum of a block, an entry without a length.
            (&[&made(0, 12, 1, b"x"), &a], std::slice::from_ref(&first)),
            (&[&a, &made(0, 12, 0xDE, b""), &b], &[first.clone(), second.clone()]),
            (&[&a, &[0; 24], &b], std::slice::from_ref(&first)),
            // One that is longer than the folder.
            (&[&b, &a[..9]], &[second, first.clone()]),
        ];
        for (number, (parts, expected)) in table.into_iter().enumerate() {
            assert_eq!(names(&parts.concat()), expected, "{number}");
        }
        for cut in [1, 5, 7, 8, 9] {
            let error = entries(&made(12, 20, 1, b"name")[..cut]).unwrap_err().to_string();
            assert!(error.starts_with("folder: ends within an entry ("), "{cut}: {error}");
        }
    }
}
