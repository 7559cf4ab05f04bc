//! The file of a kernel module, plain or compressed.

use std::path::Path;

use elf::ElfBytes;
use elf::abi::ET_REL;
use elf::endian::AnyEndian;

use super::machine::Machine;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};

/// The limit in bytes: the kernel reads no longer module (kernel/module/main.c, `init_module_from_file`: `INT_MAX`).
const LIMIT: u64 = i32::MAX as u64;

/// The compressions that the kernel can unpack (kernel/module/decompress.c), and how such a file begins.
const COMPRESSIONS: [(&str, &[u8]); 3] =
    [("gz", &[0x1f, 0x8b]), ("xz", &[0xfd, b'7', b'z', b'X', b'Z', 0]), ("zst", &[0x28, 0xb5, 0x2f, 0xfd])];

/// The bytes of a module, and what they are.
#[derive(Debug)]
pub(super) struct ModuleFile {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: Kind,
}

/// Whether a module is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ELF file for this machine.
    Plain(Machine),
    /// The ending of its name, for example `xz`.
    Compressed(&'static str),
}

impl ModuleFile {
    /// Reads the file.
    ///
    /// # Errors
    /// If its content is not what its name says: the kernel would refuse it during the boot.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited::read(path, LIMIT, Kinds::File)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match kind(&name, &bytes) {
            Ok(kind) => Ok(Self { bytes, kind }),
            Err(cause) => {
                Err(Error::new(path.display(), cause).hint("is the kernel's package whole? install it again"))
            }
        }
    }
}

fn kind(name: &str, bytes: &[u8]) -> std::result::Result<Kind, String> {
    let ending = name.rsplit_once(".ko").map_or("", |(_, ending)| ending);
    if ending.is_empty() {
        return match ElfBytes::<AnyEndian>::minimal_parse(bytes) {
            Ok(file) if file.ehdr.e_type == ET_REL => Ok(Kind::Plain(Machine(file.ehdr.e_machine))),
            _ => Err("is not a kernel module".to_owned()),
        };
    }
    let known = COMPRESSIONS.iter().find(|(known, _)| ending.strip_prefix('.') == Some(known));
    let (known, start) = known.ok_or_else(|| format!("the kernel cannot unpack *.ko{ending}, only gz, xz and zst"))?;
    if bytes.starts_with(start) { Ok(Kind::Compressed(known)) } else { Err(format!("is not compressed as {known}")) }
}

/// Checks that one kernel of `machine` can load all these modules, each a path and what it is.
///
/// # Errors
/// If a module is for another machine, or if two are compressed in different ways: a kernel unpacks one compression only.
pub(super) fn check_together<'a>(machine: Machine, modules: impl IntoIterator<Item = (&'a str, Kind)>) -> Result<()> {
    let mut first: Option<(&str, &str)> = None;
    for (path, kind) in modules {
        match kind {
            Kind::Plain(other) if other != machine => {
                return Err(Error::new(path, format!("is for {other}, but the agent is for {machine}"))
                    .hint("--agent names the agent for the kernel's machine; initramfs/build --target makes it"));
            }
            Kind::Plain(_) => {}
            Kind::Compressed(ending) => {
                let (before, compression) = *first.get_or_insert((path, ending));
                if ending != compression {
                    let cause = format!("is compressed as {ending}, but {before} as {compression}");
                    return Err(Error::new(path, cause).hint(
                        "a kernel unpacks modules of one compression (CONFIG_MODULE_COMPRESS): unpack one kind of them, \
                         and run depmod",
                    ));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use elf::abi::{EM_AARCH64, EM_X86_64};

    use super::*;

    #[test]
    fn the_content_must_be_what_the_name_says() {
        assert_eq!(kind("a.ko.xz", b"\xfd7zXZ\0..."), Ok(Kind::Compressed("xz")));
        assert_eq!(kind("a.ko.zst", b"\x28\xb5\x2f\xfd"), Ok(Kind::Compressed("zst")));
        for (name, bytes, cause) in [
            ("a.ko", &b"\xfd7zXZ\0"[..], "is not a kernel module"),
            ("a.ko", b"", "is not a kernel module"),
            ("a.ko.gz", b"\x7fELF", "is not compressed as gz"),
            ("a.ko.lz4", b"", "the kernel cannot unpack *.ko.lz4, only gz, xz and zst"),
        ] {
            assert_eq!(kind(name, bytes), Err(cause.to_owned()), "{name}");
        }
        // A program is no module.
        assert!(kind("a.ko", &std::fs::read("/proc/self/exe").unwrap()).is_err());
    }

    #[test]
    fn modules_of_two_compressions_or_two_machines_are_refused() {
        let (xz, zst) = (Kind::Compressed("xz"), Kind::Compressed("zst"));
        let pc = Kind::Plain(Machine(EM_X86_64));
        let check = |modules: &[(&str, Kind)]| {
            check_together(Machine(EM_X86_64), modules.iter().copied()).map_err(|error| error.to_string())
        };
        assert_eq!(check(&[("a.ko.xz", xz), ("b.ko", pc), ("c.ko.xz", xz)]), Ok(()));
        let error = check(&[("a.ko.xz", xz), ("b.ko.zst", zst)]).unwrap_err();
        assert!(error.starts_with("b.ko.zst: is compressed as zst, but a.ko.xz as xz (a kernel unpacks "), "{error}");
        let error = check(&[("a.ko", Kind::Plain(Machine(EM_AARCH64)))]).unwrap_err();
        assert!(error.starts_with("a.ko: is for aarch64, but the agent is for x86_64 ("), "{error}");
    }
}
