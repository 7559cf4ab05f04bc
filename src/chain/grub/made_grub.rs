//! Images of GRUB for tests and fuzz targets.

use super::made_pe::MadePe;

/// A module with its name and those that it needs; `more` is a text in it, such as its version.
pub(super) fn module(name: &str, needs: &[&str], more: &str) -> Vec<u8> {
    let needs = needs.iter().flat_map(|name| [*name, "\0"]).collect();
    let sections = [
        ("", String::new()),
        (".shstrtab", "\0.shstrtab\0.modname\0.moddeps\0.rodata\0".to_owned()),
        (".modname", format!("{name}\0")),
        (".moddeps", needs),
        (".rodata", format!("\0{more}\0")),
    ];
    // An ELF header for 64 bits: the table with five sections of 64 bytes follows it, the names are in section 1.
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7FELF\x02\x01\x01");
    bytes[16..20].copy_from_slice(&[1, 0, 62, 0]);
    bytes[20] = 1;
    bytes[40] = 64;
    bytes[52..64].copy_from_slice(&[64, 0, 0, 0, 0, 0, 64, 0, 5, 0, 1, 0]);
    let (names, mut at) = (sections[1].1.clone(), 64 + 5 * 64_u64);
    for (name, content) in &sections {
        let mut header = [0; 64];
        let place = if name.is_empty() { 0 } else { names.find(name).unwrap_or(0) };
        header[0] = u8::try_from(place).unwrap();
        header[4] = u8::from(!name.is_empty()) + u8::from(*name == ".shstrtab") * 2;
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[32..40].copy_from_slice(&u64::try_from(content.len()).unwrap().to_le_bytes());
        at += u64::try_from(content.len()).unwrap();
        bytes.extend(header);
    }
    bytes.extend(sections.iter().flat_map(|(_, content)| content.bytes()));
    bytes
}

/// The program with these parts, each with its kind.
pub(super) fn image(parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut mods = vec![0; 24];
    for (kind, content) in parts {
        mods.extend(kind.to_le_bytes());
        mods.extend((u32::try_from(content.len()).unwrap() + 8).to_le_bytes());
        mods.extend(content);
    }
    let length = u32::try_from(mods.len()).unwrap();
    mods[..4].copy_from_slice(&0x676D_696D_u32.to_le_bytes());
    mods[8] = 24;
    mods[16..20].copy_from_slice(&length.to_le_bytes());
    MadePe::new().exact(b"mods", &mods).bytes()
}

/// The program with the modules that live media have, with this version, this first configuration and this prefix.
pub(crate) fn usual(version: &str, config: &str, prefix: &str, without: &[&str]) -> Vec<u8> {
    let names =
        ["tpm", "configfile", "search", "search_label", "linux", "linuxefi", "echo", "test", "true", "boot", "normal"];
    let names = names.iter().filter(|name| !without.contains(name));
    let text = |name: &str| if name == "normal" { version.to_owned() } else { String::new() };
    let mut parts: Vec<_> = names.map(|name| (0, module(name, &[], &text(name)))).collect();
    parts.push((2, format!("{config}\0").into_bytes()));
    parts.push((3, format!("{prefix}\0").into_bytes()));
    image(&parts)
}
