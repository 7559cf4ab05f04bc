//! A PE file, the format of all programs that UEFI firmware starts (Microsoft, "PE Format"): the places that matter for what
//! is measured. The crate `object` reads the headers.

use std::borrow::Cow;
use std::ops::Range;

use object::LittleEndian;
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_SECURITY, IMAGE_NT_OPTIONAL_HDR32_MAGIC, IMAGE_NT_OPTIONAL_HDR64_MAGIC, ImageDataDirectory,
    ImageDosHeader, ImageFileHeader, ImageNtHeaders32, ImageNtHeaders64, ImageSectionHeader,
};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, optional_header_magic};

use crate::count::counted;
use crate::error::{Error, Result};

/// How errors call the file.
const OBJECT: &str = "PE file";
/// The hint of errors about the headers.
const HINT: &str = "is it a program for UEFI, such as a unified kernel image?";
/// The offset of `CheckSum` in the optional header, of 32 and of 64 bits (PE Format, "Optional Header Windows-Specific Fields").
const CHECK_SUM: usize = 64;
/// The most zeros that a section whose bytes are asked for has in memory beyond those in the file: 1 MiB. Tools align a section
/// to a page at most. A hostile one could ask for 4 GiB, and several of them are held at a time.
const MOST_ZEROS: usize = 1 << 20;

/// A PE file.
#[derive(Debug)]
pub struct PeFile<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the four bytes of `CheckSum` are.
    pub(super) check_sum: Range<usize>,
    /// Where the entry of the certificate table is in the data directories. `None` if there are fewer entries.
    pub(super) certificate_entry: Option<Range<usize>>,
    /// Where the headers end (`SizeOfHeaders`).
    pub(super) headers_end: usize,
    /// The length of the certificate table, which is at the end of the file.
    pub(super) certificates: usize,
    /// Where the certificates are, if there are any. The place may be outside of the file.
    pub(super) certificate_table: Option<Range<usize>>,
    /// In the order of the section table.
    pub(super) sections: Vec<Section<'a>>,
    /// `MajorImageVersion`.
    pub(super) image_version: u16,
}

/// A section.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Its name, with zeros behind it.
    name: [u8; 8],
    /// Where the file has it (`PointerToRawData`, `SizeOfRawData`).
    pub(super) file: Range<usize>,
    /// What is loaded of it: its bytes in the file, up to its length in memory.
    loaded: &'a [u8],
    /// How many zeros follow them in memory (`VirtualSize`).
    zeros: usize,
}

/// The error if the headers cannot be read. The words of the crate `object` name fields that a person does not know.
fn no_headers(bytes: &[u8]) -> Error {
    // The first two bytes of each PE file (PE Format, "MS-DOS Stub").
    let cause = match bytes {
        [] => "is empty",
        [b'M', b'Z', ..] => "its headers are damaged, or the file was cut off",
        _ => "does not start with MZ, as each such file does",
    };
    Error::new(OBJECT, cause).hint(HINT)
}

impl<'a> PeFile<'a> {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// If a header or a section does not lie within the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        match optional_header_magic(bytes).map_err(|_| no_headers(bytes))? {
            IMAGE_NT_OPTIONAL_HDR32_MAGIC => Self::with_headers::<ImageNtHeaders32>(bytes),
            IMAGE_NT_OPTIONAL_HDR64_MAGIC => Self::with_headers::<ImageNtHeaders64>(bytes),
            other => Err(Error::new(OBJECT, format_args!("its optional header has the unknown magic {other:#06x}"))),
        }
    }

    fn with_headers<Headers: ImageNtHeaders>(bytes: &'a [u8]) -> Result<Self> {
        let start = ImageDosHeader::parse(bytes).map_err(|_| no_headers(bytes))?.nt_headers_offset();
        let mut offset = u64::from(start);
        let (headers, directories) = Headers::parse(bytes, &mut offset).map_err(|_| no_headers(bytes))?;
        let section_headers = headers.sections(bytes, offset).map_err(|_| no_headers(bytes))?;
        // The offsets are those of fields that were read from the bytes, so no sum overflows. The signature has four bytes.
        let optional = index(start) + 4 + size_of::<ImageFileHeader>();
        let check_sum = optional + CHECK_SUM..optional + CHECK_SUM + 4;
        let entry = optional
            + size_of::<Headers::ImageOptionalHeader>()
            + IMAGE_DIRECTORY_ENTRY_SECURITY * size_of::<ImageDataDirectory>();
        // The entry is left out of the digest although it may be empty, and `get` skips an empty one.
        let directory = directories.iter().nth(IMAGE_DIRECTORY_ENTRY_SECURITY);
        let certificate_entry = directory.map(|_| entry..entry + size_of::<ImageDataDirectory>());
        let headers_end = index(headers.optional_header().size_of_headers());
        let least = certificate_entry.as_ref().unwrap_or(&check_sum).end;
        if !(least..=bytes.len()).contains(&headers_end) {
            return Err(Error::new(OBJECT, format_args!("its headers cannot have {}", counted(headers_end, "byte"))));
        }
        let certificates = directory.map_or(0, |directory| index(directory.size.get(LittleEndian)));
        let table = directory.map(|directory| index(directory.virtual_address.get(LittleEndian)));
        let certificate_table = table.filter(|_| certificates > 0).map(|at| at..at.saturating_add(certificates));
        let sections = section_headers.iter().map(|header| Section::of(header, bytes)).collect::<Result<_>>()?;
        let image_version = headers.optional_header().major_image_version();
        Ok(Self {
            bytes,
            check_sum,
            certificate_entry,
            headers_end,
            certificates,
            certificate_table,
            sections,
            image_version,
        })
    }

    /// The sections, in the order of their table.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }
}

impl<'a> Section<'a> {
    fn of(header: &ImageSectionHeader, bytes: &'a [u8]) -> Result<Self> {
        let field = |field: &object::U32<LittleEndian>| index(field.get(LittleEndian));
        let (start, length) = (field(&header.pointer_to_raw_data), field(&header.size_of_raw_data));
        // A section without bytes in the file may name any place.
        let file = if length == 0 { 0..0 } else { start..start.saturating_add(length) };
        let mut section = Self { name: header.name, file, loaded: &[], zeros: 0 };
        let Some(raw) = bytes.get(section.file.clone()) else {
            return Err(section.error("is not within the file").hint("was the file cut off?"));
        };
        let in_memory = field(&header.virtual_size);
        section.loaded = raw.get(..in_memory).unwrap_or(raw);
        section.zeros = in_memory - section.loaded.len();
        Ok(section)
    }

    fn error(&self, cause: &str) -> Error {
        Error::new(format_args!("{OBJECT}: section {}", self.name()), cause)
    }

    /// The name, of at most eight bytes.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name_bytes())
    }

    /// The bytes of the name before the first zero.
    pub(super) fn name_bytes(&self) -> &[u8] {
        self.name.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// Whether it has a length in memory. A stub ignores a section without one.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.is_empty() && self.zeros == 0
    }

    /// The bytes as they are in memory, where they are as many as `VirtualSize` says. This is what a stub measures.
    ///
    /// # Errors
    /// If there are too many zeros behind the bytes of the file.
    pub fn in_memory(&self) -> Result<Cow<'a, [u8]>> {
        if self.zeros == 0 {
            return Ok(Cow::Borrowed(self.loaded));
        }
        if self.zeros > MOST_ZEROS {
            return Err(self.error("is much longer in memory than in the file"));
        }
        let mut bytes = Vec::with_capacity(self.loaded.len() + self.zeros);
        bytes.extend_from_slice(self.loaded);
        bytes.resize(self.loaded.len() + self.zeros, 0);
        Ok(Cow::Owned(bytes))
    }
}

/// A number of the file as an index. An address space has at least 32 bits here.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    #[test]
    fn the_sections_are_those_of_the_table_with_their_length_in_memory() {
        let made =
            MadePe::new().section(b".short", b"abc", 2).section(b".exactly", b"defg", 4).section(b".bss", b"", 3);
        let bytes = made.section(b".long", b"hi", 4).bytes();
        let file = PeFile::parse(&bytes).unwrap();
        let found: Vec<_> = file.sections().iter().map(|s| (s.name(), s.in_memory().unwrap())).collect();
        let expected: [(&str, &[u8]); 4] =
            [(".short", b"ab"), (".exactly", b"defg"), (".bss", b"\0\0\0"), (".long", b"hi\0\0")];
        assert_eq!(found, expected.map(|(name, bytes)| (name.into(), bytes.into())));
    }

    #[test]
    fn a_file_that_is_cut_is_an_error_at_each_length() {
        let bytes = MadePe::new().section(b".text", b"code", 4).section(b".data", b"data", 4).bytes();
        for length in 0..bytes.len() {
            let error = PeFile::parse(&bytes[..length]).unwrap_err().to_string();
            assert!(error.starts_with("PE file"), "{length}: {error}");
        }
    }

    #[test]
    fn a_wrong_header_is_named() {
        let good = MadePe::new().section(b".bss", b"", 1);
        let table = [
            (good.clone().at(0, b"ZM"), "does not start with MZ, as each such file does"),
            (good.clone().at(0x40, b"NE"), "its headers are damaged, or the file was cut off"),
            (good.clone().at(0x58, &[7, 1]), "the unknown magic 0x0107"),
            (good.clone().headers_end(0x40), "its headers cannot have 64 bytes"),
            (good.clone().headers_end(u32::MAX), "its headers cannot have 4294967295 bytes"),
            (
                good.clone().section(b".x\x1b", b"1", 1).at(MadePe::table(1) + 20, &[0xFF; 4]),
                "section .x\\u{1b}: is not within",
            ),
        ];
        for (made, cause) in table {
            let error = PeFile::parse(&made.bytes()).unwrap_err().to_string();
            assert!(error.contains(cause), "{cause}: {error}");
        }
        let most = u32::try_from(MOST_ZEROS).unwrap();
        for length in [most + 1, u32::MAX] {
            let bytes = good.clone().section(b".huge", b"", length).bytes();
            let error = PeFile::parse(&bytes).unwrap().sections()[1].in_memory().unwrap_err().to_string();
            assert_eq!(error, "PE file: section .huge: is much longer in memory than in the file");
        }
        let bytes = good.section(b".most", b"", most).bytes();
        assert_eq!(PeFile::parse(&bytes).unwrap().sections()[1].in_memory().unwrap().len(), MOST_ZEROS);
    }
}
