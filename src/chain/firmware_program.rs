//! The program that firmware starts of a partition without a boot option, or the one that a boot option names.

use std::collections::BTreeSet;

use super::volume::Volume;
use crate::cursor::Fields;
use crate::error::{Error, Result};

/// The folder of the program, whose name is `BOOT` and the name of the architecture (UEFI 2.10, section 3.5.1.1).
const BOOT: &str = "EFI/BOOT";

/// The paths of the programs that firmware may start: the one that the user names, if it is there; or those that it starts without a
/// boot option, one for each architecture.
pub(super) fn programs(volume: &dyn Volume, named: Option<&str>) -> Result<Vec<String>> {
    let named = named.map(|path| path.split(['/', '\\']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"));
    let (folder, named) = match named.as_deref().map(|path| path.rsplit_once('/').unwrap_or(("", path))) {
        Some((folder, name)) => (folder, Some(name)),
        None => (BOOT, None),
    };
    let is_program = |name: &String| {
        let lower = name.to_ascii_lowercase();
        let is_default = lower.strip_suffix(".efi").is_some_and(|name| name.starts_with("boot"));
        named.map_or(is_default, |named| name.eq_ignore_ascii_case(named))
    };
    let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut found: Vec<_> = volume.names(folder)?.into_iter().filter(is_program).collect();
    // A name that several files have is one program: reading it says why it is not known.
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(name.to_ascii_lowercase()));
    Ok(found.into_iter().map(|name| format!("{start}{name}")).collect())
}

/// The path of the program that firmware starts.
pub(super) fn program_of_firmware(volume: &dyn Volume, named: Option<&str>) -> Result<String> {
    let found = programs(volume, named)?;
    match (found.as_slice(), named) {
        ([program], _) => Ok(program.clone()),
        ([], Some(named)) => Err(Error::new(named, "is not on the partition").hint("is --boot right?")),
        ([], None) => Err(Error::new(BOOT, "has no program that firmware starts, such as BOOTX64.EFI")
            .hint("is it an EFI system partition? --boot names another program")),
        (several, _) => Err(Error::new(several.join(", "), "the partition has programs for several architectures")
            .hint("choose one with --boot")),
    }
}

/// The architecture of a program as systemd-boot calls it (systemd, src/fundamental/efi-fundamental.h and meson.build,
/// `EFI_MACHINE_TYPE_NAME`). The program says it in its header (PE Format, "Machine Types").
pub(super) fn architecture(program: &[u8]) -> Option<&'static str> {
    let fields = Fields(program);
    let header = usize::try_from(fields.u32_le(0x3C)?).ok()?;
    match fields.u16_le(header.checked_add(4)?)? {
        0x8664 => Some("x64"),
        0x014C => Some("ia32"),
        0xAA64 => Some("aa64"),
        0x01C2 | 0x01C4 => Some("arm"),
        0x5032 => Some("riscv32"),
        0x5064 => Some("riscv64"),
        0x6264 => Some("loongarch64"),
        _ => None,
    }
}
