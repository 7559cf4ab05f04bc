//! PE files for tests: headers for x86-64, and sections one behind the other.

/// A PE file that is made.
#[derive(Debug, Clone, Default)]
pub(crate) struct MadePe {
    sections: Vec<([u8; 8], Vec<u8>, u32)>,
    changes: Vec<(usize, Vec<u8>)>,
    headers_end: Option<u32>,
    behind: Vec<u8>,
    certificates: Vec<u8>,
    swapped: bool,
}

/// Where the optional header begins: behind the DOS header, the signature and the file header.
const OPTIONAL: usize = 0x40 + 4 + 20;
/// The length of the optional header with its 16 data directories.
const OPTIONAL_LENGTH: usize = 112 + 16 * 8;

impl MadePe {
    /// Where the check sum is.
    pub(crate) const CHECK_SUM: usize = OPTIONAL + 64;
    /// Where the entry of the certificate table is.
    pub(crate) const CERTIFICATES: usize = OPTIONAL + 112 + 4 * 8;

    /// A file without sections.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Where the header of a section is.
    pub(crate) const fn table(number: usize) -> usize {
        OPTIONAL + OPTIONAL_LENGTH + number * 40
    }

    /// Adds a section with its length in memory.
    pub(crate) fn section(mut self, name: &[u8], bytes: &[u8], in_memory: u32) -> Self {
        let mut padded = [0; 8];
        padded[..name.len()].copy_from_slice(name);
        self.sections.push((padded, bytes.to_vec(), in_memory));
        self
    }

    /// Adds a section that is as long in memory as in the file.
    pub(crate) fn exact(self, name: &[u8], bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap();
        self.section(name, bytes, length)
    }

    /// Makes it a kernel for x86 that names its version: a header where boot.rst has it, with the text behind it.
    pub(crate) fn linux(self, version: &str) -> Self {
        let mut header = vec![0; 0x400 - Self::table(1)];
        let mut put = |at: usize, bytes: &[u8]| {
            let at = at - Self::table(1);
            header[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(0x202, b"HdrS");
        put(0x20E, &0x0100_u16.to_le_bytes());
        put(0x300, version.as_bytes());
        self.exact(b".setup", &header)
    }

    /// Sets `MajorImageVersion`.
    pub(crate) fn image_version(self, version: u16) -> Self {
        self.at(OPTIONAL + 44, &version.to_le_bytes())
    }

    /// Changes bytes at last.
    pub(crate) fn at(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.changes.push((offset, bytes.to_vec()));
        self
    }

    /// Sets `SizeOfHeaders`.
    pub(crate) fn headers_end(mut self, end: u32) -> Self {
        self.headers_end = Some(end);
        self
    }

    /// Adds bytes behind the sections.
    pub(crate) fn behind(mut self, bytes: &[u8]) -> Self {
        self.behind = bytes.to_vec();
        self
    }

    /// Adds a certificate table.
    pub(crate) fn certificates(mut self, bytes: &[u8]) -> Self {
        self.certificates = bytes.to_vec();
        self
    }

    /// Lists the sections in the other order than they have in the file.
    pub(crate) fn swapped(mut self) -> Self {
        self.swapped = true;
        self
    }

    /// The headers alone.
    pub(crate) fn headers(&self) -> Vec<u8> {
        let end = Self::table(self.sections.len());
        let mut headers = vec![0; end];
        let mut put = |offset: usize, bytes: &[u8]| headers[offset..offset + bytes.len()].copy_from_slice(bytes);
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        put(0, b"MZ");
        put(0x3C, &number(0x40));
        put(0x40, b"PE\0\0\x64\x86");
        put(0x46, &number(self.sections.len())[..2]);
        put(0x54, &number(OPTIONAL_LENGTH)[..2]);
        put(OPTIONAL, &[0x0B, 0x02]);
        put(OPTIONAL + 60, &self.headers_end.map_or(number(end), u32::to_le_bytes));
        put(OPTIONAL + 108, &number(16));
        let mut at = end;
        let mut entries = Vec::new();
        for (name, bytes, in_memory) in &self.sections {
            let mut entry = name.to_vec();
            entry.extend([*in_memory, 0].into_iter().flat_map(u32::to_le_bytes));
            entry.extend([number(bytes.len()), number(at)].concat());
            entry.resize(40, 0);
            entries.push(entry);
            at += bytes.len();
        }
        if self.swapped {
            entries.reverse();
        }
        put(Self::table(0), &entries.concat());
        if !self.certificates.is_empty() {
            put(Self::CERTIFICATES, &[number(at + self.behind.len()), number(self.certificates.len())].concat());
        }
        headers
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = self.headers();
        self.sections.iter().for_each(|(_, bytes, _)| file.extend(bytes));
        file.extend(&self.behind);
        file.extend(&self.certificates);
        for (offset, bytes) in &self.changes {
            file[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        file
    }
}
