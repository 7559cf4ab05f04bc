//! The file of a kernel module, plain or compressed. The initramfs has it unpacked: it is compressed as a whole, and the boot need not
//! unpack it twice.

use std::io::{self, Write};
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

/// The bytes of a module, and the machine that it is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModuleFile {
    pub(super) bytes: Vec<u8>,
    pub(super) machine: Machine,
}

impl ModuleFile {
    /// Reads the file, and unpacks it.
    ///
    /// # Errors
    /// If its content is not what its name says: the kernel would refuse it during the boot.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited::read(path, LIMIT, Kinds::File)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::unpacked(&name, bytes)
            .map_err(|cause| Error::new(path.display(), cause).hint("is the kernel's package whole? install it again"))
    }

    fn unpacked(name: &str, bytes: Vec<u8>) -> std::result::Result<Self, String> {
        let ending = name.rsplit_once(".ko").map_or("", |(_, ending)| ending);
        let bytes = unpack(ending, bytes).map_err(|error| format!("cannot be unpacked: {error}"))?;
        match ElfBytes::<AnyEndian>::minimal_parse(&bytes) {
            Ok(file) if file.ehdr.e_type == ET_REL => Ok(Self { machine: Machine(file.ehdr.e_machine), bytes }),
            _ => Err("is not a kernel module".to_owned()),
        }
    }

    /// Checks that `machine` can load this module.
    ///
    /// # Errors
    /// If it is for another one.
    pub(super) fn check_machine(&self, path: &str, machine: Machine) -> Result<()> {
        if self.machine == machine {
            return Ok(());
        }
        Err(Error::new(path, format!("is for {}, but the agent is for {machine}", self.machine))
            .hint("--agent names the agent for the kernel's machine; initramfs/build --target makes it"))
    }
}

/// The name of a module's file after it is unpacked.
pub(super) fn unpacked_name(file: &str) -> &str {
    file.rfind(".ko").map_or(file, |at| &file[..at + ".ko".len()])
}

/// Unpacks what has this ending after `.ko`: the compressions of Linux's `make modules_install` (kernel, scripts/Makefile.modinst).
fn unpack(ending: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut unpacked = Limited(Vec::new());
    match ending {
        "" => return Ok(bytes),
        ".gz" => drop(io::copy(&mut flate2::read::MultiGzDecoder::new(&*bytes), &mut unpacked)?),
        ".zst" => drop(io::copy(&mut zstd::Decoder::new(&*bytes)?, &mut unpacked)?),
        ".xz" => {
            lzma_rs::xz_decompress(&mut &*bytes, &mut unpacked)
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
        ending => return Err(io::Error::other(format!("*.ko{ending} is none of *.ko.gz, *.ko.xz and *.ko.zst"))),
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

    /// The start of an ELF file for x86-64: an object, and no program.
    fn module() -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        elf[16..20].copy_from_slice(&[1, 0, 62, 0]);
        elf[20] = 1;
        elf
    }

    #[test]
    fn a_module_is_unpacked() {
        let module = module();
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut &*module, &mut xz).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&module).unwrap();
        let zstd = zstd::bulk::compress(&module, 19).unwrap();
        let files =
            [("a.ko", module.clone()), ("a.ko.xz", xz), ("a.ko.gz", gzip.finish().unwrap()), ("a.ko.zst", zstd)];
        for (name, bytes) in files {
            let unpacked = ModuleFile::unpacked(name, bytes.clone()).unwrap();
            assert_eq!(unpacked, ModuleFile { bytes: module.clone(), machine: Machine(62) }, "{name}");
            let cut = ModuleFile::unpacked(name, bytes[..bytes.len() / 2].to_vec());
            assert!(cut.is_err(), "{name}");
        }
        assert_eq!(["a/b.ko.xz", "a/b.ko", "c"].map(unpacked_name), ["a/b.ko", "a/b.ko", "c"]);
    }

    #[test]
    fn the_content_must_be_what_the_name_says() {
        for (name, bytes, cause) in [
            ("a.ko", &b"\xfd7zXZ\0"[..], "is not a kernel module"),
            ("a.ko", b"", "is not a kernel module"),
            ("a.ko.gz", b"\x7fELF", "cannot be unpacked: "),
            ("a.ko.xz", b"\x7fELF", "cannot be unpacked: "),
            ("a.ko.zst", b"\x7fELF", "cannot be unpacked: "),
            ("a.ko.lz4", b"", "cannot be unpacked: *.ko.lz4 is none of *.ko.gz, *.ko.xz and *.ko.zst"),
        ] {
            let error = ModuleFile::unpacked(name, bytes.to_vec()).unwrap_err();
            assert!(error.starts_with(cause), "{name}: {error}");
        }
        // A program is no module.
        assert!(ModuleFile::unpacked("a.ko", std::fs::read("/proc/self/exe").unwrap()).is_err());
    }

    #[test]
    fn a_module_for_another_machine_is_refused() {
        let module = ModuleFile { bytes: module(), machine: Machine(elf::abi::EM_AARCH64) };
        let error = module.check_machine("a.ko", Machine(elf::abi::EM_X86_64)).unwrap_err().to_string();
        assert!(error.starts_with("a.ko: is for aarch64, but the agent is for x86_64 ("), "{error}");
    }
}
