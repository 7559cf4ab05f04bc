//! The file of a kernel module, plain or compressed. The initramfs has it unpacked: it is compressed as a whole, and the boot need not
//! unpack it twice.

use std::io::{self, Write};
use std::path::Path;

use elf::ElfBytes;
use elf::abi::ET_REL;
use elf::endian::AnyEndian;

use super::machine::Machine;
use super::module_info::ModuleInfo;
use super::xz_file;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::sys::modules_dep::module_name;

/// The limit in bytes: the kernel reads no longer module (kernel/module/main.c, `init_module_from_file`: `INT_MAX`).
const LIMIT: u64 = i32::MAX as u64;

/// The folder of links to modules of other kernels with the same interface, which weak-modules(8) of RHEL and SUSE has compared. The
/// kernel compares check sums of each symbol then, and no version (kernel/module/version.c, `same_magic`).
const OF_OTHER_KERNELS: &str = "weak-updates/";

/// What a damaged file means.
const HINT: &str = "is the kernel's package whole? install it again";

/// The bytes of a module, the machine that it is for, and what it says about itself.
#[derive(Debug)]
pub(super) struct ModuleFile {
    pub(super) bytes: Vec<u8>,
    machine: Machine,
    info: ModuleInfo,
}

impl ModuleFile {
    /// Reads the file, and unpacks it.
    ///
    /// # Errors
    /// If its content is not what its name says: the kernel would refuse it during the boot.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited::read(path, LIMIT, Kinds::File).map_err(|error| error.hint_if_none(HINT))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::unpacked(&name, bytes).map_err(|error| error.renamed(path.display()).hint_if_none(HINT))
    }

    fn unpacked(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let bytes = unpack(name, bytes)?;
        let Ok(file) = ElfBytes::<AnyEndian>::minimal_parse(&bytes) else {
            return Err(Error::new(name, "is not a kernel module"));
        };
        if file.ehdr.e_type != ET_REL {
            return Err(Error::new(name, "is not a kernel module"));
        }
        let info = ModuleInfo::read(&file);
        let info = info.ok_or_else(|| Error::new(name, "does not say which kernel it was built for (vermagic)"))?;
        Ok(Self { machine: Machine::of(&file.ehdr), info, bytes })
    }

    /// Checks that the agent's `machine`, and the kernel of this `version`, can load this module, and that it is what the name of
    /// its file says. `path` is below the kernel's folder.
    ///
    /// # Errors
    /// If not: the kernel would refuse it during the boot, or another module would run than the one that was named.
    pub(super) fn check(&self, path: &str, machine: Machine, version: &str) -> Result<()> {
        if self.machine != machine {
            return Err(Error::new(path, format!("is for {}, but the agent is for {machine}", self.machine))
                .hint("--agent names the agent for the kernel's machine; initramfs/build --target makes it"));
        }
        let (expected, kernel) = (module_name(path), &self.info.kernel);
        if let Some(name) = self.info.name.as_ref().filter(|name| name.replace('-', "_") != expected) {
            return Err(Error::new(path, format!("is the module {name}, not {expected}")).hint(HINT));
        }
        if kernel != version && !path.starts_with(OF_OTHER_KERNELS) {
            return Err(Error::new(path, format!("was built for the kernel {kernel}, but the folder is that of {version}"))
                .hint("the boot looks in /lib/modules/VERSION of its kernel, which takes only its own modules: name a folder that has \
                       its kernel's version (uname -r) as its name and no module of another one; is the kernel's package whole?"));
        }
        Ok(())
    }
}

/// The name of a module's file after it is unpacked.
pub(super) fn unpacked_name(file: &str) -> &str {
    file.rfind(".ko").map_or(file, |at| &file[..at + ".ko".len()])
}

/// Unpacks a file by the ending of its name after `.ko`: the compressions of Linux's `make modules_install` (kernel,
/// scripts/Makefile.modinst).
fn unpack(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let failed = |error: io::Error| Error::new(name, format_args!("cannot be unpacked: {error}"));
    let mut unpacked = Limited(Vec::new());
    let ending = name.rsplit_once(".ko").map_or("", |(_, ending)| ending);
    match ending {
        "" => return Ok(bytes),
        ".gz" => {
            io::copy(&mut flate2::read::MultiGzDecoder::new(&*bytes), &mut unpacked).map_err(failed)?;
        }
        ".zst" => {
            let mut decoder = zstd::Decoder::new(&*bytes).map_err(failed)?;
            io::copy(&mut decoder, &mut unpacked).map_err(failed)?;
        }
        ".xz" => xz_file::unpack(name, &bytes, &mut unpacked)?,
        ending => {
            return Err(Error::new(name, format!("*.ko{ending} is none of *.ko.gz, *.ko.xz and *.ko.zst")).hint(
                "unpack it with the program that packed it, such as lz4 --decompress, and run depmod for this kernel",
            ));
        }
    }
    Ok(unpacked.0)
}

/// Bytes, and no more of them than a module has.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > LIMIT {
            return Err(io::Error::other(format!("longer than {LIMIT} bytes")));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unpacked() {
        let module = b"a module".repeat(1000);
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut &*module, &mut xz).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&module).unwrap();
        let zstd = zstd::bulk::compress(&module, 19).unwrap();
        for (name, bytes) in [("a.ko.xz", xz), ("a.ko.gz", gzip.finish().unwrap()), ("a.ko.zst", zstd)] {
            assert!(unpack(name, bytes.clone()).unwrap() == module, "{name}");
            for cut in [bytes.len() / 2, bytes.len() - 1] {
                let error = unpack(name, bytes[..cut].to_vec()).unwrap_err().to_string();
                assert!(error.contains(": cannot be unpacked: "), "{error}");
                // The words are for a person.
                assert!(!error.contains(['{', '"']), "{error}");
            }
        }
        assert!(unpack("a.ko", module.clone()).unwrap() == module);
        assert_eq!(["a/b.ko.xz", "a/b.ko", "c"].map(unpacked_name), ["a/b.ko", "a/b.ko", "c"]);
    }

    #[test]
    fn the_content_must_be_what_the_name_says() {
        for (name, bytes, cause) in [
            ("a.ko", &b"\xfd7zXZ\0"[..], "is not a kernel module"),
            ("a.ko", b"", "is not a kernel module"),
            ("a.ko.gz", b"\x7fELF", "cannot be unpacked: "),
            ("a.ko.xz", b"\x7fELF", "is no xz file"),
            ("a.ko.zst", b"\x7fELF", "cannot be unpacked: "),
            ("a.ko.lz4", b"", "*.ko.lz4 is none of *.ko.gz, *.ko.xz and *.ko.zst (unpack it"),
        ] {
            let error = ModuleFile::unpacked(name, bytes.to_vec()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: {cause}")), "{error}");
        }
        // A program is no module.
        assert!(ModuleFile::unpacked("a.ko", std::fs::read("/proc/self/exe").unwrap()).is_err());
    }
}
