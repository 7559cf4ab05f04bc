//! The agent's file. The initramfs has no libraries, so the agent must be a static program.

use std::path::Path;

use elf::ElfBytes;
use elf::abi::{DT_NEEDED, ET_DYN, ET_EXEC, PT_INTERP};
use elf::endian::AnyEndian;

use super::machine::Machine;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::measure::measurement;

/// The limit in bytes: 256 MiB. An agent has less than 2 MB, but with all debugging symbols it can have 100 MB.
const LIMIT: u64 = 256 << 20;

/// Each agent has this text in its read-only data: it extends the PCR with its digest if a boot fails.
const MARK: &[u8] = measurement::FAILED.as_bytes();

/// What to do if a file is not the agent.
const HINT: &str = "the agent is target/initramfs/init, which initramfs/build makes; --agent names it";

/// The bytes of a static program, and the machine that it is for.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) bytes: Vec<u8>,
    pub(super) machine: Machine,
}

impl Agent {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is not a static program: the kernel could not start it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited::read(path, LIMIT, Kinds::File).map_err(|error| error.hint(HINT))?;
        let machine = check(&bytes).map_err(|cause| Error::new(path.display(), cause).hint(HINT))?;
        Ok(Self { bytes, machine })
    }
}

/// Checks the program, and returns its machine. The error is the cause.
fn check(bytes: &[u8]) -> std::result::Result<Machine, String> {
    let malformed = |error| format!("is not an ELF program: {error}");
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).map_err(malformed)?;
    if !matches!(file.ehdr.e_type, ET_EXEC | ET_DYN) {
        return Err("is an ELF file, but not a program".to_owned());
    }
    let segments = file.segments();
    let loader = segments.iter().flat_map(elf::parse::ParsingTable::iter).find(|segment| segment.p_type == PT_INTERP);
    if let Some(loader) = loader {
        let path = file.segment_data(&loader).map_err(malformed)?;
        let path = String::from_utf8_lossy(path).trim_end_matches('\0').to_owned();
        return Err(format!("needs the loader {path}, and the initramfs has no libraries"));
    }
    let dynamic = file.dynamic().map_err(malformed)?;
    if dynamic.iter().flat_map(elf::parse::ParsingTable::iter).any(|entry| entry.d_tag == DT_NEEDED) {
        return Err("needs shared libraries, and the initramfs has none".to_owned());
    }
    // Any other static program would boot whatever it likes, unmeasured.
    if !bytes.windows(MARK.len()).any(|part| part == MARK) {
        return Err("is a static program, but not the agent: it lacks the agent's text for a failed boot".to_owned());
    }
    Ok(Machine::of(&file.ehdr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_static_program_is_the_agent() {
        // A test program is linked with shared libraries.
        let this = std::fs::read("/proc/self/exe").unwrap();
        assert!(check(&this).unwrap_err().starts_with("needs the loader /lib"));
        let cut = check(&this[..40]).unwrap_err();
        assert!(cut.starts_with("is not an ELF program: "), "{cut}");
        let mut object = this;
        object[16] = 1;
        assert_eq!(check(&object).unwrap_err(), "is an ELF file, but not a program");
        for text in [&b""[..], b"#!/bin/sh\n", &[0x7f, b'E', b'L', b'F']] {
            assert!(check(text).unwrap_err().starts_with("is not an ELF program: "));
        }
    }

    #[test]
    fn the_file_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        std::fs::File::create(&path).unwrap().set_len(LIMIT + 1).unwrap();
        let error = Agent::read(&path).unwrap_err().to_string();
        assert!(error.contains("agent: longer than 268435456 bytes (the agent is "), "{error}");
    }
}
