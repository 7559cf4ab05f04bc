//! A module of GRUB: an ELF file that names itself and the modules that it needs (grub-core/genmod.sh.in).

use elf::ElfBytes;
use elf::endian::AnyEndian;

/// The most names that a module may need. `normal` needs eight.
const MOST: usize = 64;
/// The longest name. GRUB's own have fewer than 30 characters.
const LONGEST: usize = 64;

/// The name of a module.
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    section(bytes, ".modname")?.into_iter().next()
}

/// The modules that it needs, in the order in which GRUB loads them.
pub(super) fn needs(bytes: &[u8]) -> Vec<String> {
    section(bytes, ".moddeps").unwrap_or_default()
}

/// The texts of a section, with a zero behind each.
fn section(bytes: &[u8], name: &str) -> Option<Vec<String>> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).ok()?;
    let header = file.section_header_by_name(name).ok()??;
    let (content, _) = file.section_data(&header).ok()?;
    let texts = content.split(|&byte| byte == 0).filter(|text| !text.is_empty() && text.len() <= LONGEST).take(MOST);
    Some(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}
