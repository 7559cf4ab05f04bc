//! systemd's stub: which version a unified kernel image has, and what that version measures (systemd, `src/boot/stub.c`;
//! `src/boot/efi/stub.c` before 257). Each rule was seen in a boot with Debian's 252, 257 or 262.

use std::fmt::{self, Display};

use super::pe::{PeFile, Section};
use super::sdmagic;
use crate::error::Result;

/// The sections that PCR 11 is extended with, in this order, up to 253 (`src/fundamental/tpm-pcr.c`).
const SECTIONS_252: [&str; 7] = [".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrpkey"];
/// The same from 257 on (`src/fundamental/uki.c`). All versions leave out `.pcrsig`, the signature of the PCR.
const SECTIONS_257: [&str; 12] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey", ".profile",
    ".hwids",
];

/// A stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// The whole version: `257.13-1~deb13u1`.
    pub version: String,
    /// The version of systemd.
    major: u32,
}

/// How a stub starts the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KernelStart {
    /// With the firmware's `LoadImage`, which measures it into PCR 4.
    LoadImage,
    /// With a loader of its own. Only shim lets it use `LoadImage`, and only with Secure Boot.
    Itself,
    /// Versions that were not seen, and whose neighbours differ: one of the two.
    Unknown,
}

impl Stub {
    /// The stub of a unified kernel image.
    ///
    /// # Errors
    /// If the file does not name its version.
    pub(super) fn of(file: &PeFile<'_>) -> Result<Self> {
        let hint = "a unified kernel image has systemd's stub; ukify(1) makes one";
        let version = sdmagic::version(file, "systemd-stub").map_err(|error| error.hint(hint))?;
        Ok(Self { version: version.text, major: version.major })
    }

    /// The sections that it measures into PCR 11, in this order. The error says why they are not known.
    pub(super) fn measured(&self) -> std::result::Result<&'static [&'static str], String> {
        match self.major {
            252..=253 => Ok(&SECTIONS_252),
            257..=262 => Ok(&SECTIONS_257),
            _ => {
                Err(format!("which sections systemd-stub {} measures is not known here (252, 257-262 are)", self.major))
            }
        }
    }

    /// Whether it is a version that was seen in a boot. What another one gives the kernel is not known.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.major, 252 | 257 | 262)
    }

    /// Whether it is one of the stubs that look for addons, profiles and `.extra/os-release`.
    pub(super) fn is_257(&self) -> bool {
        self.major >= 257
    }

    /// Whether it may add a console to the command line, or a secret to the initrd.
    pub(super) fn is_after_257(&self) -> bool {
        self.major > 257
    }

    /// How it starts the kernel.
    pub(super) fn kernel_start(&self) -> KernelStart {
        match self.major {
            252..=257 => KernelStart::LoadImage,
            262 => KernelStart::Itself,
            _ => KernelStart::Unknown,
        }
    }

    /// The section of a name as this version finds it. 252 takes the last one whose name begins with it, later ones take the
    /// first one with just this name. A section of no length counts as none.
    pub(super) fn find<'f, 'a>(&self, file: &'f PeFile<'a>, name: &str) -> Option<&'f Section<'a>> {
        let mut sections = file.sections().iter();
        let found = if self.is_257() {
            sections.find(|section| section.name_bytes() == name.as_bytes())
        } else {
            sections.rfind(|section| section.name_bytes().starts_with(name.as_bytes()))
        };
        found.filter(|section| !section.is_empty())
    }
}

impl Display for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "systemd-stub {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    fn stub(magic: &[u8]) -> Result<Stub> {
        let bytes = MadePe::new().exact(b".sdmagic", magic).bytes();
        Stub::of(&PeFile::parse(&bytes).unwrap())
    }

    #[test]
    fn the_version_is_that_of_the_section() {
        let table: [(&[u8], u32, KernelStart, usize); 4] = [
            (b"#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####\0", 252, KernelStart::LoadImage, 7),
            (b"#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####", 257, KernelStart::LoadImage, 12),
            (b"#### LoaderInfo: systemd-stub 259 ####", 259, KernelStart::Unknown, 12),
            (b"#### LoaderInfo: systemd-stub 262.1-1 ####", 262, KernelStart::Itself, 12),
        ];
        for (magic, major, start, sections) in table {
            let stub = stub(magic).unwrap();
            assert_eq!((stub.major, stub.kernel_start(), stub.measured().unwrap().len()), (major, start, sections));
        }
        for (version, start) in
            [("251", KernelStart::Unknown), ("255", KernelStart::LoadImage), ("263", KernelStart::Unknown)]
        {
            assert_eq!(
                stub(format!("#### LoaderInfo: systemd-stub {version} ####").as_bytes()).unwrap().kernel_start(),
                start,
                "{version}"
            );
        }
        for unknown in ["251", "254", "256", "263"] {
            let stub = stub(format!("#### LoaderInfo: systemd-stub {unknown} ####").as_bytes()).unwrap();
            assert!(stub.measured().unwrap_err().contains(unknown) && !stub.is_known());
        }
    }

    #[test]
    fn a_file_without_a_version_is_no_unified_kernel_image() {
        for magic in
            [b"".as_slice(), b"#### LoaderInfo: systemd-boot 257 ####", b"#### LoaderInfo: systemd-stub git ####"]
        {
            assert!(stub(magic).unwrap_err().to_string().starts_with(".sdmagic: "), "{magic:?}");
        }
        let bytes = MadePe::new().bytes();
        assert!(Stub::of(&PeFile::parse(&bytes).unwrap()).unwrap_err().to_string().contains("no such section"));
    }

    #[test]
    fn each_version_finds_sections_by_its_own_rule() {
        let made = MadePe::new().exact(b".initrd", b"1").exact(b".initrd", b"2").exact(b".initrdx", b"3");
        let bytes = made.section(b".uname", b"x", 0).bytes();
        let file = PeFile::parse(&bytes).unwrap();
        for (major, content) in [(252, b"3"), (257, b"1")] {
            let stub = Stub { version: String::new(), major };
            assert_eq!(*stub.find(&file, ".initrd").unwrap().in_memory().unwrap(), *content, "{major}");
            assert!(stub.find(&file, ".uname").is_none() && stub.find(&file, ".linux").is_none());
        }
    }
}
