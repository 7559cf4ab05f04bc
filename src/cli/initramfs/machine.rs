//! The kind of processor that an ELF file is for.

use std::fmt::{self, Display};

use elf::abi::{EM_AARCH64, EM_X86_64};
use elf::endian::AnyEndian;
use elf::file::{Class, FileHeader};

/// What the header of an ELF file says about the processor. A kernel loads no module of another kind (kernel/module/main.c,
/// `elf_validity_ehdr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// `e_machine`.
    number: u16,
    class: Class,
    bytes: AnyEndian,
}

impl Machine {
    pub(super) fn of(header: &FileHeader<AnyEndian>) -> Self {
        Self { number: header.e_machine, class: header.class, bytes: header.endianness }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            EM_X86_64 => f.write_str("x86_64")?,
            EM_AARCH64 => f.write_str("aarch64")?,
            other => write!(f, "ELF machine {other}")?,
        }
        if self.class == Class::ELF32 {
            f.write_str(" of 32 bits")?;
        }
        if self.bytes == AnyEndian::Big {
            f.write_str(" in big-endian")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use elf::ElfBytes;

    use super::*;

    #[test]
    fn machines_of_other_bits_or_another_order_of_bytes_differ() {
        let mut header = [0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (header[18], header[20]) = (62, 1);
        let machine = |header: &[u8]| Machine::of(&ElfBytes::minimal_parse(header).unwrap().ehdr);
        let this = machine(&header);
        assert_eq!(this.to_string(), "x86_64");
        header[4] = 1;
        let other = machine(&header);
        assert!(this != other && other.to_string() == "x86_64 of 32 bits", "{other}");
        header[4..6].copy_from_slice(&[2, 2]);
        (header[18], header[19], header[20], header[23]) = (0, 183, 0, 1);
        assert_eq!(machine(&header).to_string(), "aarch64 in big-endian");
    }
}
