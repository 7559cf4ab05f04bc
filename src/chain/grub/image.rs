//! An image of grub-mkimage: the modules, the configuration, the prefix and the memory disk in it (include/grub/kernel.h).

use std::collections::BTreeSet;

use super::stop::{Run, Stop};
use super::{memdisk, module};
use crate::chain::pe::PeFile;
use crate::cursor::Cursor;

/// The section of the parts, and the magic at its start (`GRUB_MODULE_MAGIC`).
const SECTION: &[u8] = b"mods";
const MAGIC: u32 = 0x676D_696D;
/// How long the header of a part is (`struct grub_module_header`).
const HEADER: usize = 8;
/// The most parts. Debian's signed image has some 120.
const MOST: usize = 1024;
/// A variable that only GRUBs with a patch of Fedora know: they look for grub.cfg beside the program first. Debian 13 has it.
const FW_PATH: &[u8] = b"fw_path\0";

/// What the versions do that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// 2.06: it jumps into the kernel.
    V2_06,
    /// 2.12: the firmware loads the kernel.
    V2_12,
}

/// The module `normal`, which has the menu. It decides most of what differs between versions.
#[derive(Debug, Clone)]
pub(super) struct Normal {
    /// `2.06-13+deb12u2`.
    pub(super) version: String,
    /// Whether it knows the variable `fw_path`.
    pub(super) has_fw_path: bool,
}

/// An image.
#[derive(Debug)]
pub(super) struct Image {
    /// Its module `normal`. `None` if GRUB loads it from elsewhere.
    pub(super) normal: Option<Normal>,
    /// The names of its modules.
    pub(super) modules: BTreeSet<String>,
    /// The configuration that it runs first.
    pub(super) config: Option<Vec<u8>>,
    /// Where the rest is: `/boot/grub`, or with a device before it.
    pub(super) prefix: String,
    /// The memory disk; empty if it has none.
    pub(super) memdisk: Vec<u8>,
    /// Whether it has a key, which signs all files.
    pub(super) has_key: bool,
}

impl Image {
    /// Reads an image. `None` if the program is something else.
    pub(super) fn of(file: &PeFile<'_>) -> Option<Self> {
        let section = file.sections().iter().find(|section| section.name_bytes() == SECTION)?;
        let bytes = section.in_memory().ok()?;
        let mut head = Cursor::new("GRUB", &bytes);
        if head.u32_le().ok()? != MAGIC {
            return None;
        }
        // The number is aligned to eight bytes (`struct grub_module_info64`).
        head.u32_le().ok()?;
        let mut number = || head.u32_le().and_then(|low| head.u32_le().map(|high| (low, high))).ok();
        let (start, end) = (number()?, number()?);
        let index = |(low, high): (u32, u32)| usize::try_from(low).ok().filter(|_| high == 0);
        let mut parts = Cursor::new("GRUB", bytes.get(index(start)?..index(end)?)?);
        let mut image = Self {
            normal: None,
            modules: BTreeSet::new(),
            config: None,
            prefix: String::new(),
            memdisk: Vec::new(),
            has_key: false,
        };
        for _ in 0..MOST {
            if parts.rest().len() < HEADER {
                break;
            }
            let (kind, size) = (parts.u32_le().ok()?, parts.u32_le().ok()?);
            let content = parts.take(usize::try_from(size).ok()?.checked_sub(HEADER)?).ok()?;
            image.add(kind, content);
        }
        // An image of grub-mkstandalone has it in the memory disk.
        if let (None, Some(folder)) = (&image.normal, image.prefix.strip_prefix("(memdisk)/")) {
            let module = memdisk::file(&image.memdisk, &format!("{folder}/x86_64-efi/normal.mod"));
            image.normal = module.ok().flatten().map(|module| Normal::of(&module));
        }
        Some(image)
    }

    fn add(&mut self, kind: u32, content: &[u8]) {
        // The kinds of parts (include/grub/kernel.h, `OBJ_TYPE_ELF` and what follows).
        match kind {
            0 => {
                let Some(name) = module::name(content) else { return };
                if name == "normal" && self.normal.is_none() {
                    self.normal = Some(Normal::of(content));
                }
                self.modules.insert(name);
            }
            // The first one counts, of the prefixes the last one (grub-core/disk/memdisk.c, kern/main.c).
            1 if self.memdisk.is_empty() => self.memdisk = content.to_vec(),
            2 => self.config = self.config.take().or_else(|| Some(text(content).to_vec())),
            3 => self.prefix = String::from_utf8_lossy(text(content)).into_owned(),
            4 => self.has_key = true,
            _ => {}
        }
    }
}

impl Normal {
    /// What the module with these bytes is.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let has_fw_path = bytes.windows(FW_PATH.len()).any(|part| part == FW_PATH);
        Self { version: version(bytes).unwrap_or_default(), has_fw_path }
    }

    /// What is known of this version.
    pub(super) fn known(&self) -> Run<Known> {
        let is = |number: &str| {
            self.version.strip_prefix(number).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        match (is("2.06"), is("2.12"), self.version.is_empty()) {
            (true, ..) => Ok(Known::V2_06),
            (_, true, _) => Ok(Known::V2_12),
            (.., true) => Err(Stop::new("GRUB: its module normal does not name the version")),
            _ => Err(Stop::new(format!("GRUB {}: what it measures is known here for 2.06 and 2.12", self.version))),
        }
    }
}

/// The bytes before the zeros that fill up a part.
fn text(content: &[u8]) -> &[u8] {
    content.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The version that the module `normal` shows above its menu (`PACKAGE_VERSION`): the only text of it that begins like one.
fn version(normal: &[u8]) -> Option<String> {
    let is_version = |text: &&[u8]| matches!(text, [b'2', b'.', b'0'..=b'9', b'0'..=b'9', ..]) && text.len() < 64;
    let found = normal.split(|&byte| byte == 0).find(is_version)?;
    str::from_utf8(found).ok().filter(|text| text.chars().all(|c| c.is_ascii_graphic())).map(str::to_owned)
}
