//! ISO 9660, the file system of a CD, with the long names of Rock Ridge (ECMA-119; IEEE P1281 and P1282). Firmware does not read it;
//! GRUB does.

use super::one_name::one_of;
use super::region::Region;
use super::stretches::Stretches;
use super::volume::Volume;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// The length of a sector, and the number of the one with the first volume descriptor (ECMA-119, sections 6.1.2 and 6.2.1).
pub(super) const SECTOR: u64 = 2048;
pub(super) const FIRST_DESCRIPTOR: u64 = 16;
/// Where the descriptor has the record of the root folder (section 8.4).
const ROOT: usize = 156;
/// The shortest record (section 9.1), and its flags (section 9.1.6).
const RECORD: usize = 33;
const FOLDER: u8 = 0x02;
const GOES_ON: u8 = 0x80;
/// The most bytes of a folder that are read: 1 MiB is some 10,000 files.
const LONGEST_FOLDER: u64 = 1 << 20;
/// How many parts a path has at most, and how many areas one name goes on in.
const DEPTH: usize = 64;
const MOST_AREAS: usize = 4;

/// A file system.
pub(super) struct Iso9660<'a> {
    region: Region<'a>,
    root: Record,
    /// How many bytes stand before the entries of Rock Ridge in a record. `None` if there are none.
    skip: Option<usize>,
}

/// A file or a folder.
#[derive(Debug, Clone)]
struct Record {
    name: String,
    is_folder: bool,
    is_link: bool,
    /// Whether its bytes are packed (zisofs): the kernel and GRUB give other ones.
    is_packed: bool,
    /// The places of its parts, each with its length.
    parts: Vec<(u64, u64)>,
}

impl<'a> Iso9660<'a> {
    /// Opens a file system.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn open(region: Region<'a>) -> Result<Self> {
        let descriptor = region.head(FIRST_DESCRIPTOR * SECTOR, 2048)?;
        let error = || Error::new("ISO 9660", "has no volume descriptor");
        if !descriptor.starts_with(b"\x01CD001") || Fields(&descriptor).u16_le(128) != Some(2048) {
            return Err(error());
        }
        let root = descriptor.get(ROOT..).and_then(record).ok_or_else(error)?;
        let mut found = Self { region, root, skip: None };
        // The record of the root folder in itself says whether there is Rock Ridge (IEEE P1281, section 5.3).
        let bytes = found.bytes(&found.root, LONGEST_FOLDER)?;
        let own =
            bytes.get(..bytes.first().copied().unwrap_or_default().into()).and_then(system_use).unwrap_or_default();
        if own.starts_with(b"SP\x07\x01\xBE\xEF") {
            found.skip = own.get(6).map(|&skip| skip.into());
        }
        Ok(found)
    }

    /// The bytes of a file or a folder.
    fn bytes(&self, record: &Record, limit: u64) -> Result<Vec<u8>> {
        let length = record.parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.1));
        // Parts could be the same bytes many times.
        let length = length.filter(|&length| length <= limit && length <= self.region.length());
        if length.is_none() {
            return Err(Error::new("file", format_args!("longer than {limit} bytes, or than its disk")));
        }
        let mut bytes = Vec::new();
        for &(at, length) in &record.parts {
            bytes.extend(self.region.read(at, usize::try_from(length).unwrap_or(usize::MAX))?);
        }
        Ok(bytes)
    }

    fn records(&self, folder: &Record) -> Result<Vec<Record>> {
        let bytes = self.bytes(folder, LONGEST_FOLDER)?;
        let mut found: Vec<Record> = Vec::new();
        let mut goes_on = false;
        for sector in bytes.chunks(2048) {
            let mut rest = sector;
            while let Some((own, behind)) = rest.first().and_then(|&length| rest.split_at_checked(length.into())) {
                let Some(mut next) = record(own) else { break };
                rest = behind;
                let flags = own.get(25).copied().unwrap_or_default();
                if let (true, Some(before)) = (goes_on, found.last_mut()) {
                    before.parts.append(&mut next.parts);
                } else {
                    self.rename(&mut next, own)?;
                    found.push(next);
                }
                goes_on = flags & GOES_ON != 0;
            }
        }
        // The folder itself, and the one above it.
        found.retain(|record| !record.name.is_empty());
        Ok(found)
    }

    /// Gives a record the name that Rock Ridge has for it.
    fn rename(&self, record: &mut Record, bytes: &[u8]) -> Result<()> {
        let Some(skip) = self.skip.filter(|_| !record.name.is_empty()) else { return Ok(()) };
        let mut area = system_use(bytes).and_then(|area| area.get(skip..)).unwrap_or_default().to_vec();
        let mut name = Vec::new();
        for _ in 0..MOST_AREAS {
            let mut next = None;
            let mut rest = area.as_slice();
            while let Some((entry, behind)) = rest.get(2).and_then(|&length| rest.split_at_checked(length.into())) {
                rest = behind;
                let fields = Fields(entry);
                match entry {
                    [b'N', b'M', _, _, _, part @ ..] => name.extend(part),
                    [b'S', b'L', ..] => record.is_link = true,
                    [b'Z', b'F', ..] => record.is_packed = true,
                    [b'C', b'E', ..] => next = fields.u32_le(4).zip(fields.u32_le(12)).zip(fields.u32_le(20)),
                    [b'S', b'T', ..] | [] => break,
                    _ => {}
                }
            }
            let Some(((sector, at), length)) = next else { break };
            let length = usize::try_from(length).ok().filter(|&length| length <= 2048);
            let length = length.ok_or_else(|| Error::new("Rock Ridge", "has an area longer than a sector"))?;
            area = self.region.read(u64::from(sector) * SECTOR + u64::from(at), length)?;
        }
        if !name.is_empty() {
            record.name = String::from_utf8_lossy(&name).into_owned();
        }
        Ok(())
    }

    /// The file or folder at a path, as GRUB finds it.
    fn find(&self, path: &str) -> Result<Option<Record>> {
        self.find_by(path, str::eq_ignore_ascii_case)
    }

    /// The same. `is_name` says whether two names are the same.
    fn find_by(&self, path: &str, is_name: fn(&str, &str) -> bool) -> Result<Option<Record>> {
        if path.split('/').count() > DEPTH {
            return Ok(None);
        }
        let mut found = self.root.clone();
        for part in path.split('/') {
            if !found.is_folder {
                return Ok(None);
            }
            let mut called = self.records(&found)?;
            called.retain(|record| is_name(&record.name, part));
            // Names of Rock Ridge may differ by capital letters alone.
            if self.skip.is_some() && called.iter().any(|record| record.name == part) {
                called.retain(|record| record.name == part);
            }
            let Some(record) = one_of(called, part)? else { return Ok(None) };
            if record.is_link {
                return Err(Error::new(&record.name, "is a symbolic link, which is not followed here"));
            }
            if record.is_packed {
                return Err(Error::new(&record.name, "is packed (zisofs), which is not followed here"));
            }
            found = record;
        }
        Ok(Some(found))
    }

    /// Where the bytes of a file are, for one that is too long for the memory. `None` if the kernel finds none with this path.
    ///
    /// The kernel takes names of Rock Ridge as they are (fs/isofs/namei.c, `isofs_find_entry`). It may see other names than the ones here
    /// if there are none: those of Joliet, or in small letters.
    ///
    /// # Errors
    /// If it is not known, or the file system is damaged.
    pub(super) fn stretches(&self, path: &str) -> Result<Option<Stretches<'a>>> {
        if self.skip.is_none() {
            return Err(Error::new(
                path,
                "is on an ISO 9660 without the names of Rock Ridge, which is not followed here",
            ));
        }
        let found = self.find_by(path, |own, part| own == part)?.filter(|record| !record.is_folder);
        let Some(file) = found else { return Ok(None) };
        let sum = file.parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.1));
        let regions = file.parts.iter().map(|&(at, length)| self.region.part(at, length)).collect::<Option<Vec<_>>>();
        // Parts could be the same bytes many times.
        match regions {
            Some(regions) if sum.is_some_and(|sum| sum <= self.region.length()) => Ok(Some(Stretches::of(regions))),
            _ => Err(Error::new(path, "is longer than its disk").hint("was the disk cut off, or is it damaged?")),
        }
    }
}

impl Volume for Iso9660<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let about = |error: Error| error.on(path);
        let Some(file) = self.find(path).map_err(about)?.filter(|record| !record.is_folder) else { return Ok(None) };
        self.bytes(&file, limit).map(Some).map_err(about)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let about = |error: Error| error.on(folder);
        let found = if folder.is_empty() { Some(self.root.clone()) } else { self.find(folder).map_err(about)? };
        let Some(folder) = found.filter(|record| record.is_folder) else { return Ok(Vec::new()) };
        let files = self.records(&folder).map_err(about)?.into_iter().filter(|record| !record.is_folder);
        let mut files: Vec<_> = files.map(|record| record.name).collect();
        files.sort();
        Ok(files)
    }

    fn has_folder(&self, path: &str) -> Result<bool> {
        let found = if path.is_empty() { return Ok(true) } else { self.find(path).map_err(|error| error.on(path))? };
        Ok(found.is_some_and(|record| record.is_folder))
    }
}

/// Reads a record. `None` if it is cut short. The name of a folder itself, and of the one above it, becomes empty.
fn record(bytes: &[u8]) -> Option<Record> {
    let fields = Fields(bytes);
    let ([extra], [flags], [length]) = (fields.at(1)?, fields.at(25)?, fields.at(32)?);
    let raw = bytes.get(RECORD..RECORD + usize::from(length))?;
    let name = match raw {
        [0 | 1] => String::new(),
        // The version is behind a semicolon, and a name without an end has its dot (section 7.5).
        raw => String::from_utf8_lossy(raw.split(|&byte| byte == b';').next()?).trim_end_matches('.').to_owned(),
    };
    let at = (u64::from(fields.u32_le(2)?) + u64::from(extra)) * SECTOR;
    let parts = vec![(at, u64::from(fields.u32_le(10)?))];
    Some(Record { name, is_folder: flags & FOLDER != 0, is_link: false, is_packed: false, parts })
}

/// What a record has behind its name, which begins at an even place (section 9.1.13).
fn system_use(record: &[u8]) -> Option<&[u8]> {
    let name = RECORD + usize::from(*record.get(32)?);
    record.get(name.next_multiple_of(2)..)
}
