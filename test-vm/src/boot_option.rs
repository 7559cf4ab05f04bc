//! A boot option, in the variables of OVMF.

use crate::{Result, ensure};
use std::path::Path;

/// Its number, as in the name of its variable. No other variable of OVMF has it.
const NUMBER: u16 = 0x0B00;
/// `gEfiGlobalVariableGuid` (UEFI 2.10, section 3.3).
const GLOBAL: &str = "61dfe48bca93d211aa0d00e098032b8c";
/// The length of the header of a variable (edk2, MdeModulePkg/Include/Guid/VariableFormat.h, `AUTHENTICATED_VARIABLE_HEADER`).
const HEADER: usize = 60;

/// A boot option that starts a program from the first partition that has it.
#[derive(Clone, Debug)]
pub(crate) struct BootOption {
    /// Its path, with a backslash before each part.
    pub(crate) program: String,
    /// The words, which are its load options as `efibootmgr --unicode` writes them: without a zero at the end.
    pub(crate) words: String,
}

impl BootOption {
    /// Makes it the only boot option of the order, in a file with the variables of OVMF. The firmware adds its own ones behind it.
    pub(crate) fn add_to(&self, variables: &Path) -> Result<()> {
        let mut bytes = std::fs::read(variables)?;
        let mut end = usize::from(u16::from_le_bytes([bytes[0x30], bytes[0x31]])) + 28;
        // Each variable has this mark. What is free has all bits set.
        while bytes[end..].starts_with(&[0xAA, 0x55]) {
            let length =
                |at: usize| bytes[end + at..][..4].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            end = (end + HEADER + length(36) + length(40)).next_multiple_of(4);
        }
        let order = variable("BootOrder", &NUMBER.to_le_bytes());
        let added = [order, variable(&format!("Boot{NUMBER:04X}"), &self.load_option())].concat();
        let free = bytes.get_mut(end..end + added.len()).ok_or("the variables are full")?;
        ensure!(free.iter().all(|byte| *byte == 0xFF), "the variables do not end at {end:#x}");
        free.copy_from_slice(&added);
        Ok(std::fs::write(variables, bytes)?)
    }

    /// Its content (UEFI 2.10, section 3.1.3): it is active, a name, a path of a file (section 10.3.5.4) and the end, the words.
    fn load_option(&self) -> Vec<u8> {
        let path = utf_16(&format!("{}\0", self.program));
        let node = [&[4, 4], &length(4 + path.len())[..2], &path, &[0x7F, 0xFF, 4, 0]].concat();
        [&1_u32.to_le_bytes(), &length(node.len())[..2], &utf_16("a test\0"), &node, &utf_16(&self.words)].concat()
    }
}

/// A variable that is whole (the state 3F), and kept, for programs of the firmware and of the system (the attributes 7).
fn variable(name: &str, data: &[u8]) -> Vec<u8> {
    let name = utf_16(&format!("{name}\0"));
    let guid: Vec<_> = (0..16).filter_map(|at| u8::from_str_radix(&GLOBAL[2 * at..][..2], 16).ok()).collect();
    let start = [0xAA, 0x55, 0x3F, 0, 7, 0, 0, 0];
    let mut bytes = [&start[..], &[0; 28], &length(name.len()), &length(data.len()), &guid, &name, data].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0xFF);
    bytes
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
