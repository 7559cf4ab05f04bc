//! Which Linux a kernel is, and what the EFI stub of this version measures (kernel, drivers/firmware/efi/libstub/efi-stub-helper.c,
//! `efi_convert_cmdline` and `efi_load_initrd`): from 5.17 on, the initrd that LoadFile2 hands over (commit f046fff8bc4c); from 6.1
//! on, the command line, too (commit 71c7adc9fffd). No version measures an initrd that `initrd=` names.

use std::fmt::{self, Display};

use super::pe::PeFile;
use crate::cmdline;
use crate::cmdline::tokens::Token;

/// The version that measures the initrd, and the one that measures the command line.
const MEASURES_INITRD: (u32, u32) = (5, 17);
const MEASURES_COMMAND_LINE: (u32, u32) = (6, 1);
/// The version that takes an initrd from LoadFile2 (commit ec93fc371f01).
const TAKES_INITRD: (u32, u32) = (5, 8);
/// `MajorImageVersion` of kernels that came after 6.1, whose images have 1 (include/linux/pe.h, `LINUX_EFISTUB_MAJOR_VERSION`).
const AFTER_6_1: u16 = 3;

/// The header of an x86 kernel (Documentation/arch/x86/boot.rst, "Details of Header Fields"): its magic, where the field
/// `kernel_version` is, and what the field is counted from.
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const KERNEL_VERSION: usize = 0x20E;
const COUNTED_FROM: usize = 0x200;
/// A version has fewer characters (`__NEW_UTS_LEN` in include/uapi/linux/utsname.h).
const LONGEST: usize = 65;

/// Why an initrd that the command line names is worth a warning: the kernel reads it only if LoadFile2 hands over none.
pub(super) const NAMED_INITRD: &str = "the initrd that initrd= names: Linux measures only one that LoadFile2 hands over, so whoever \
                                       can write to its file system chooses what runs";

/// Whether the command line names an initrd. The kernel looks for the text, not for a word (libstub/file.c, `find_file_option`).
pub(super) fn names_initrd(command_line: &str) -> bool {
    command_line.contains("initrd=")
}

/// Why a boot with these parameters may start without measureroot. The first applies to every kernel: it looks for the program of
/// `rdinit=` only, and mounts `root=` itself if the initramfs does not have it (init/main.c, `kernel_init_freeable`). With the second,
/// the kernel's EFI stub loads no initramfs (drivers/firmware/efi/libstub/efi-stub-helper.c). The third is of Android's kernels only
/// (init/initramfs.c there).
pub(crate) fn without_the_agent(tokens: &[Token]) -> Vec<String> {
    let rdinit = tokens.iter().rev().find(|token| token.is("rdinit") && token.value.is_some());
    let rdinit = rdinit.filter(|token| token.value.as_deref() != Some(b"/init")).map(|token| {
        format!(
            "{token}: the kernel starts this program and not /init; if the initramfs lacks it, the kernel mounts root= itself"
        )
    });
    let noinitrd = tokens.iter().find(|token| token.is("noinitrd")).map(|token| {
        format!("{token}: the kernel's EFI stub loads no initramfs then, and the kernel mounts root= itself")
    });
    let skipped = tokens
        .iter()
        .find(|token| token.is("skip_initramfs"))
        .map(|token| format!("{token}: a kernel of Android unpacks no initramfs then, and mounts root= itself"));
    rdinit.into_iter().chain(noinitrd).chain(skipped).collect()
}

/// What a command line says against the measurement of the root image, if it reaches the kernel.
pub(super) fn against_the_agent(command_line: &str) -> Vec<String> {
    let tokens = cmdline::parse(command_line.as_bytes());
    let is_off = |token: &&Token| token.is("measureroot") && token.value.as_deref() == Some(b"off");
    let off = tokens.iter().find(is_off).map(|token| format!("{token}: the agent boots the root image unmeasured"));
    without_the_agent(&tokens).into_iter().chain(off).collect()
}

/// The version of a kernel, as its file tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Linux {
    /// An x86 kernel names it.
    Named { text: String, number: (u32, u32) },
    /// Other kernels say only how new their EFI stub is: newer than that of 6.1.
    After6_1,
    /// The file does not say.
    Unknown,
}

impl Linux {
    /// The version of the kernel with these bytes.
    pub(super) fn of(file: &PeFile<'_>) -> Self {
        if let Some(text) = named(file.bytes) {
            let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
            if let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) {
                return Self::Named { number: (major, minor), text };
            }
        }
        if file.image_version >= AFTER_6_1 { Self::After6_1 } else { Self::Unknown }
    }

    /// Whether it is this version or a newer one. An unknown one is taken for a new one, see [`Linux::assumption`].
    fn is_from(&self, version: (u32, u32)) -> bool {
        match self {
            Self::Named { number, .. } => *number >= version,
            Self::After6_1 | Self::Unknown => true,
        }
    }

    /// Whether it takes an initrd from LoadFile2.
    pub(super) fn takes_initrd(&self) -> bool {
        self.is_from(TAKES_INITRD)
    }

    /// Whether it measures the initrd that it takes from LoadFile2.
    pub(super) fn measures_initrd(&self) -> bool {
        self.is_from(MEASURES_INITRD)
    }

    /// Whether it measures its command line.
    pub(super) fn measures_command_line(&self) -> bool {
        self.is_from(MEASURES_COMMAND_LINE)
    }

    /// What must be so, if the file does not say it.
    pub(super) fn assumption(&self) -> Option<&'static str> {
        let unknown = "the kernel is Linux 6.1 or later, whose EFI stub measures its command line and its initrd: the file does \
                       not say which version it is";
        (*self == Self::Unknown).then_some(unknown)
    }
}

impl Display for Linux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { text, .. } => write!(f, "Linux {text}"),
            Self::After6_1 => f.write_str("a Linux later than 6.1"),
            Self::Unknown => f.write_str("a Linux of unknown version"),
        }
    }
}

/// The first word of the text that `kernel_version` points to: `6.12.117+deb12-amd64`.
fn named(bytes: &[u8]) -> Option<String> {
    let (at, magic) = MAGIC;
    bytes.get(at..)?.starts_with(magic).then_some(())?;
    let pointer = bytes.get(KERNEL_VERSION..KERNEL_VERSION + 2)?;
    let pointer = usize::from(u16::from_le_bytes(pointer.try_into().ok()?));
    let text = bytes.get(COUNTED_FROM + pointer..).filter(|_| pointer > 0)?;
    let word = text.iter().take(LONGEST).take_while(|byte| byte.is_ascii_graphic());
    Some(word.map(|&byte| char::from(byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    fn linux(made: &MadePe) -> Linux {
        let bytes = made.bytes();
        Linux::of(&PeFile::parse(&bytes).unwrap())
    }

    #[test]
    fn a_kernel_for_x86_names_its_version() {
        let table = [
            ("5.4.0-1", (5, 4), [false, false, false]),
            ("5.8.1", (5, 8), [true, false, false]),
            ("5.16", (5, 16), [true, false, false]),
            ("5.17.0", (5, 17), [true, true, false]),
            ("6.0.19", (6, 0), [true, true, false]),
            ("6.1.0-56-cloud-amd64 (a b) #1", (6, 1), [true, true, true]),
            ("6.12.117+deb12", (6, 12), [true, true, true]),
            ("10.0", (10, 0), [true, true, true]),
        ];
        for (text, expected, does) in table {
            let found = linux(&MadePe::new().linux(text));
            let first = text.split(' ').next().unwrap().to_owned();
            assert_eq!(found, Linux::Named { text: first, number: expected });
            let found_does = [found.takes_initrd(), found.measures_initrd(), found.measures_command_line()];
            assert_eq!((found_does, found.assumption()), (does, None), "{text}");
        }
    }

    #[test]
    fn another_kernel_says_how_new_its_stub_is_or_nothing() {
        assert_eq!(linux(&MadePe::new().image_version(3)), Linux::After6_1);
        assert!(Linux::After6_1.assumption().is_none() && Linux::After6_1.measures_command_line());
        let kernel = MadePe::new().linux("6.1");
        for unknown in [
            MadePe::new(),
            MadePe::new().image_version(1),
            MadePe::new().linux("next"),
            MadePe::new().linux("6"),
            MadePe::new().linux(""),
            MadePe::new().linux("99999999999.1"),
            kernel.clone().at(KERNEL_VERSION, &[0, 0]),
            kernel.clone().at(KERNEL_VERSION, &[0xFF, 0xFF]),
            kernel.at(MAGIC.0, b"HdrX"),
        ] {
            let found = linux(&unknown);
            assert!(found == Linux::Unknown && found.assumption().is_some(), "{found:?}");
        }
    }
}
