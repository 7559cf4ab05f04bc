//! tboot's file: an ELF file for i386, mostly compressed with gzip. What SINIT measures of it is what the boot loader makes of it
//! in memory, with tboot's command line in it: tboot copies the words there before the launch (`begin_launch`). This is the
//! hash that `lcp2_mlehash` prints.

use std::borrow::Cow;
use std::ops::Range;

use elf::ElfBytes;
use elf::abi::{ELFMAGIC, EM_386, ET_EXEC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;

use super::header::Header;
use super::unpacked;
use crate::chain::authenticode::digests_of_parts;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// The longest file, and the most memory that it gets, in bytes: 128 MiB. Debian's tboot has 29 MiB, and gets 35.
const LIMIT: u64 = 128 << 20;
/// How many segments a file has at most. Debian's has one.
const MOST_SEGMENTS: usize = 16;

/// The measured part of tboot.
#[derive(Debug)]
pub struct Mle {
    name: String,
    /// tboot as it is in memory, up to the end of the measured part.
    memory: Vec<u8>,
    header: Header,
}

impl Mle {
    /// Reads tboot's file. `name` is what events and errors call it.
    ///
    /// # Errors
    /// If it is not tboot, or if the header of the MLE is wrong.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let named = |error: Error| error.on(name);
        let file = if unpacked::is_packed(bytes) {
            Cow::Owned(unpacked::unpacked(bytes, LIMIT).map_err(named)?)
        } else {
            Cow::Borrowed(bytes)
        };
        let mut memory = in_memory(&file).map_err(named)?;
        let header = Header::find(&memory).map_err(named)?;
        memory.truncate(header.mle.end);
        Ok(Self { name: name.to_owned(), memory, header })
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the MLE in each of `banks`, if tboot gets this command line.
    ///
    /// # Errors
    /// If the command line is too long.
    pub fn digests(&self, command_line: &str, banks: &[Bank]) -> Result<Digests> {
        let Header { mle, command_line: place } = &self.header;
        // A zero ends it. tboot cuts a longer one, which lcp2_mlehash does not.
        let zeros = place.len().checked_sub(command_line.len()).filter(|&zeros| zeros > 0).ok_or_else(|| {
            Error::new("tboot's command line", format_args!("is longer than {} bytes", place.len().saturating_sub(1)))
                .hint("tboot has no more room for it")
        })?;
        let zeros = vec![0; zeros];
        let part = |range: Range<usize>| self.memory.get(range).unwrap_or_default();
        let parts: [&[u8]; 4] =
            [part(mle.start..place.start), command_line.as_bytes(), &zeros, part(place.end..mle.end)];
        Ok(digests_of_parts(&parts, banks))
    }
}

/// The segments as a boot loader loads them, one behind the other, with zeros where the file has no bytes (`expand_elf_image`).
fn in_memory(file: &[u8]) -> Result<Vec<u8>> {
    let error = |cause| Error::new("ELF file", cause);
    let parsed = ElfBytes::<LittleEndian>::minimal_parse(file);
    let cause = if file.starts_with(&ELFMAGIC) { "is damaged or cut off" } else { "does not begin as one" };
    let elf = parsed.map_err(|_| error(cause).hint("is it tboot.gz?"))?;
    if elf.ehdr.class != Class::ELF32 || elf.ehdr.e_machine != EM_386 || elf.ehdr.e_type != ET_EXEC {
        return Err(error("is no program for i386").hint("is it tboot.gz? A tboot.mb2 is not predicted"));
    }
    let loaded = |segment: &ProgramHeader| segment.p_type == PT_LOAD;
    let segments: Vec<_> =
        elf.segments().iter().flat_map(elf::parse::ParsingTable::iter).filter(loaded).take(MOST_SEGMENTS + 1).collect();
    if segments.len() > MOST_SEGMENTS {
        return Err(error("has too many segments"));
    }
    let mut memory = Vec::new();
    let mut next = None;
    for segment in segments {
        // lcp2_mlehash joins them. A boot loader puts each one at its address.
        if next.is_some_and(|next| next != segment.p_paddr) {
            return Err(error("its segments do not follow each other in memory"));
        }
        next = segment.p_paddr.checked_add(segment.p_memsz);
        let bytes = elf.segment_data(&segment).map_err(|_| error("is cut off"))?;
        let end = (memory.len() as u64).checked_add(segment.p_memsz).filter(|&end| end <= LIMIT);
        let end = end.and_then(|end| usize::try_from(end).ok()).ok_or_else(|| error("needs too much memory"))?;
        if bytes.len() > end - memory.len() {
            return Err(error("a segment is longer in the file than in memory"));
        }
        memory.extend(bytes);
        memory.resize(end, 0);
    }
    Ok(memory)
}
