//! The memory disk of an image of grub-mkstandalone: a tar archive (POSIX.1-1988, ustar).

use std::ops::Range;

/// The size of a block, and the most files that are looked at. grub-mkstandalone packs some 300 modules.
const BLOCK: usize = 512;
const MOST: usize = 4096;
/// Where a header has the name, the size in octal digits, the kind, the magic, and the first part of the name.
const NAME: Range<usize> = 0..100;
const SIZE: Range<usize> = 124..136;
const KIND: usize = 156;
const MAGIC: Range<usize> = 257..262;
const PREFIX: Range<usize> = 345..500;

/// The bytes of a file in an archive.
pub(super) fn file<'a>(archive: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    find(archive, |kind, name| matches!(kind, b'0' | 0) && name == wanted)
}

/// Whether there is a folder with this path: it is an entry, or has one.
pub(super) fn has_folder(archive: &[u8], wanted: &str) -> bool {
    let is_in = |name: &str| name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'));
    wanted.is_empty() || find(archive, |kind, name| is_in(name) || kind == b'5' && name == wanted).is_some()
}

/// The content of the first entry with such a kind and name.
fn find(archive: &[u8], is_wanted: impl Fn(u8, &str) -> bool) -> Option<&[u8]> {
    let mut rest = archive;
    for _ in 0..MOST {
        let (header, behind) = rest.split_at_checked(BLOCK)?;
        let size = number(header.get(SIZE)?)?;
        let (content, _) = behind.split_at_checked(size)?;
        if header.get(MAGIC)? != b"ustar" {
            return None;
        }
        if is_wanted(*header.get(KIND)?, &name(header)?) {
            return Some(content);
        }
        rest = behind.get(size.checked_next_multiple_of(BLOCK)?..)?;
    }
    None
}

/// Whether it is such an archive.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(MAGIC) == Some(b"ustar")
}

fn name(header: &[u8]) -> Option<String> {
    let text = |range: Range<usize>| {
        let bytes = header.get(range)?.split(|&byte| byte == 0).next()?;
        str::from_utf8(bytes).ok()
    };
    let (prefix, name) = (text(PREFIX)?, text(NAME)?);
    let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    Some(name.trim_start_matches("./").trim_matches('/').to_owned())
}

fn number(field: &[u8]) -> Option<usize> {
    let digits = str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    usize::from_str_radix(digits, 8).ok()
}
