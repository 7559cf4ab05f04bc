//! ELF files for `measureroot initramfs`, which looks at their headers.

/// `e_type` of a program and of a kernel module, and `e_machine` of PCs and of arm64 (elf(5)).
pub(crate) const PROGRAM: u16 = 3;
pub(crate) const MODULE: u16 = 1;
pub(crate) const PC: u16 = 62;
pub(crate) const ARM64: u16 = 183;

/// What `measureroot initramfs` takes for an agent: a program for PCs with the agent's text for a failed boot, and then `more`.
pub(crate) fn agent(more: &str) -> Vec<u8> {
    elf(PROGRAM, PC, &format!("measureroot: failed{more}"))
}

/// An ELF file of this type for this machine, of a header alone, and then `more`.
pub(crate) fn elf(kind: u16, machine: u16, more: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(64, 0);
    bytes[16..18].copy_from_slice(&kind.to_le_bytes());
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    // e_version, e_ehsize, e_phentsize, e_shentsize
    bytes[20] = 1;
    (bytes[52], bytes[54], bytes[58]) = (64, 56, 64);
    bytes.extend(more.as_bytes());
    bytes
}
