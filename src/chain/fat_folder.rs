//! The entries of a folder of a FAT, with their long names (Microsoft's FAT specification 1.03, sections 6 and 7; edk2,
//! FatPkg/EnhancedFatDxe/DirectoryManage.c, `FatLoadLongNameEntry`).

use crate::cursor::Fields;

/// The length of an entry in bytes.
const ENTRY: usize = 32;
/// First bytes of an entry: that behind the last one, and that of a deleted one.
const END: u8 = 0;
const DELETED: u8 = 0xE5;
/// Stands for [`DELETED`] as the first byte of a name.
const NOT_DELETED: u8 = 0x05;
/// Attributes.
const VOLUME: u8 = 0x08;
const FOLDER: u8 = 0x10;
const LONG_NAME: u8 = 0x0F;
/// Marks the last part of a long name, which comes first.
const LAST: u8 = 0x40;
/// The most parts of a long name: 255 characters, 13 in each.
const MOST_PARTS: usize = 20;
/// Where the characters of a part are.
const CHARACTERS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// The flags of a short name whose first part, or whose end, is written in small letters.
const SMALL_BASE: u8 = 0x08;
const SMALL_END: u8 = 0x10;

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FatEntry {
    /// The long name, or the short one if it has no other.
    pub(super) name: String,
    short: String,
    pub(super) is_folder: bool,
    pub(super) first_cluster: u32,
    /// In bytes; 0 for a folder.
    pub(super) length: u64,
}

impl FatEntry {
    /// Firmware finds it by either name, in capital or small letters.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.short.eq_ignore_ascii_case(name)
    }
}

/// The files and folders in these bytes; not the entries for the folder itself and the one above it. Only FAT32 has the upper half
/// of a cluster's number.
pub(super) fn entries(bytes: &[u8], is_32: bool) -> Vec<FatEntry> {
    let all: Vec<_> = bytes.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&END)).collect();
    let entry = |(number, bytes): (usize, &&[u8])| {
        let fields = Fields(bytes);
        let [attributes] = fields.at(11)?;
        let raw = fields.at::<11>(0)?;
        if raw[0] == DELETED || raw[0] == b'.' || attributes & VOLUME != 0 {
            return None;
        }
        let short = short_name(raw, fields.at::<1>(12)?[0]);
        let high = if is_32 { fields.u16_le(20)? } else { 0 };
        let is_folder = attributes & FOLDER != 0;
        Some(FatEntry {
            name: long_name(all.get(..number)?, &raw).unwrap_or_else(|| short.clone()),
            short,
            is_folder,
            first_cluster: u32::from(high) << 16 | u32::from(fields.u16_le(26)?),
            length: if is_folder { 0 } else { fields.u32_le(28)?.into() },
        })
    };
    all.iter().enumerate().filter_map(entry).collect()
}

/// The label of the file system, which the root folder has.
pub(super) fn label(bytes: &[u8]) -> Option<String> {
    let mut all = bytes.chunks_exact(ENTRY).take_while(|entry| entry.first() != Some(&END));
    let is_label = |bytes: &&[u8]| {
        let attributes = bytes.get(11).copied().unwrap_or_default();
        bytes.first() != Some(&DELETED) && attributes & VOLUME != 0 && attributes != LONG_NAME
    };
    Fields(all.find(is_label)?).text::<11>(0)
}

/// The parts of the name stand before the entry, the last one first.
fn long_name(before: &[&[u8]], short: &[u8; 11]) -> Option<String> {
    let sum = short.iter().fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
    let mut units = Vec::new();
    for (number, part) in (1..).zip(before.iter().rev().take(MOST_PARTS)) {
        let fields = Fields(part);
        let ([order], [attributes], [own_sum]) = (fields.at(0)?, fields.at(11)?, fields.at(13)?);
        if attributes != LONG_NAME || own_sum != sum || fields.u16_le(26)? != 0 || order & !LAST != number {
            return None;
        }
        units.extend(CHARACTERS.iter().filter_map(|&at| fields.u16_le(at)));
        if order & LAST != 0 {
            let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
            return Some(String::from_utf16_lossy(units.get(..end)?)).filter(|name| !name.is_empty());
        }
    }
    None
}

fn short_name(mut raw: [u8; 11], flags: u8) -> String {
    if raw[0] == NOT_DELETED {
        raw[0] = DELETED;
    }
    // Which character another byte stands for depends on the machine that wrote it.
    let text = |bytes: &[u8], is_small: bool| -> String {
        let c = |&byte: &u8| if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
        let text: String = bytes.iter().map(c).collect();
        let text = text.trim_end_matches(' ');
        if is_small { text.to_ascii_lowercase() } else { text.to_owned() }
    };
    let (base, end) = raw.split_at(8);
    let (base, end) = (text(base, flags & SMALL_BASE != 0), text(end, flags & SMALL_END != 0));
    if end.is_empty() { base } else { format!("{base}.{end}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &[u8; 11], attributes: u8) -> Vec<u8> {
        let mut entry = [name.as_slice(), &[attributes]].concat();
        entry.resize(ENTRY, 0);
        entry[20] = 1;
        entry[26] = 7;
        entry[28] = 9;
        entry
    }

    /// A part of a long name: its number, its characters, the check sum.
    fn part(order: u8, text: &str, sum: u8) -> Vec<u8> {
        let mut entry = vec![0; ENTRY];
        (entry[0], entry[11], entry[13]) = (order, LONG_NAME, sum);
        let units: Vec<u16> = text.encode_utf16().chain([0]).chain([0xFFFF; 13]).take(13).collect();
        for (at, unit) in CHARACTERS.into_iter().zip(units) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry
    }

    #[test]
    fn a_long_name_counts_if_all_of_its_parts_belong_to_the_entry() {
        let file = short(b"MEASUR~1EFI", 0x20);
        // The check sum that mtools 4.0.32 writes.
        let sum = b"MEASUR~1EFI".iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        let (first, last) = (part(1, "measured kern", sum), part(LAST | 2, "el.efi", sum));
        let name = |parts: &[&[u8]]| entries(&parts.concat(), true).pop().unwrap().name;
        assert_eq!(name(&[&last, &first, &file]), "measured kernel.efi");
        let deleted = [&[DELETED], &first[1..]].concat();
        let table: [&[&[u8]]; 6] = [
            &[&first, &file],
            &[&first, &last, &file],
            &[&last, &deleted, &file],
            &[&last, &part(1, "x", sum ^ 1), &file],
            &[&last, &last, &first, &part(3, "x", sum), &file],
            &[&file],
        ];
        for parts in table {
            assert_eq!(name(parts), "MEASUR~1.EFI");
        }
        let found = entries(&[&last[..], &first, &file].concat(), true);
        assert!(found[0].is_called("MEASURED kernel.EFI") && found[0].is_called("measur~1.efi"));
        assert_eq!((found[0].first_cluster, found[0].length), (0x1_0007, 9));
        assert_eq!(entries(&file, false)[0].first_cluster, 7);
    }

    #[test]
    fn labels_deleted_entries_and_what_is_behind_the_end_are_no_files() {
        let mut small = short(b"BOOTX64 EFI", 0x20);
        small[12] = SMALL_BASE;
        let all = [
            short(b"A LABEL    ", VOLUME),
            short(b".          ", FOLDER),
            short(&[DELETED; 11], 0x20),
            small,
            short(b"EFI        ", FOLDER),
            short(b"\x05B         ", 0x20),
            vec![END; ENTRY],
            short(b"BEHIND     ", 0x20),
        ];
        let found = entries(&all.concat(), true);
        let names: Vec<_> = found.iter().map(|entry| (entry.name.as_str(), entry.is_folder, entry.length)).collect();
        assert_eq!(names, [("bootx64.EFI", false, 9), ("EFI", true, 0), ("\u{fffd}B", false, 9)]);
        assert_eq!(label(&all.concat()).as_deref(), Some("A LABEL"));
        assert_eq!(label(&all[1..].concat()), None);
        assert_eq!(entries(&[LONG_NAME; 31], true), []);
    }
}
