//! The kind of processor that an ELF file is for.

use std::fmt::{self, Display};

use elf::abi::{EM_AARCH64, EM_X86_64};

/// `e_machine` of an ELF header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine(pub(super) u16);

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            EM_X86_64 => f.write_str("x86_64"),
            EM_AARCH64 => f.write_str("aarch64"),
            other => write!(f, "ELF machine {other}"),
        }
    }
}
