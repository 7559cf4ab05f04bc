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

/// A kernel module, as far as the command looks at it: the name of the module and the kernel that it is for stand in a section.
pub(crate) fn module(machine: u16, name: &str, kernel: &str) -> Vec<u8> {
    module_with(machine, &format!("license=GPL\0name={name}\0vermagic={kernel} SMP preempt mod_unload \0"))
}

/// A kernel module with this text in its section .modinfo.
pub(crate) fn module_with(machine: u16, info: &str) -> Vec<u8> {
    let names = "\0.modinfo\0.shstrtab\0";
    let mut bytes = elf(MODULE, machine, &format!("{info}{names}"));
    let sections = bytes.len() as u64;
    // Behind the null section: the place of its name, its type, its place and its length (elf(5), Elf64_Shdr).
    bytes.extend([0; 64]);
    for (name, kind, start, length) in [(1, 1, 64, info.len()), (10, 3, 64 + info.len(), names.len())] {
        let mut section = [0; 64];
        (section[0], section[4]) = (name, kind);
        section[24..32].copy_from_slice(&(start as u64).to_le_bytes());
        section[32..40].copy_from_slice(&(length as u64).to_le_bytes());
        bytes.extend(section);
    }
    // e_shoff, e_shnum, e_shstrndx
    bytes[40..48].copy_from_slice(&sections.to_le_bytes());
    (bytes[60], bytes[62]) = (3, 2);
    bytes
}
