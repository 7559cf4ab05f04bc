//! The modules that GRUB loads from its disk, and the lists of them.

use std::collections::BTreeMap;

use super::image::Normal;
use super::machine::Machine;
use super::stop::{Run, Stop};
use super::{gettext, module};

/// The folder of the modules for UEFI on x86-64.
const PLATFORM: &str = "x86_64-efi";
/// How many modules may need each other in a row. GRUB's own do so up to some ten.
const LONGEST_CHAIN: usize = 32;

impl Machine<'_> {
    /// Whether a module is loaded.
    pub(super) fn has_module(&self, name: &str) -> bool {
        self.modules.contains(name)
    }

    /// The module that command.lst names for a command.
    pub(super) fn module_of(&self, command: &str) -> Option<String> {
        self.commands.get(command).cloned()
    }

    /// Loads a module and those that it needs (grub-core/kern/dl.c, `grub_dl_load`). False if one is missing.
    pub(super) fn load(&mut self, name: &str) -> Run<bool> {
        self.load_at(name, 0)
    }

    fn load_at(&mut self, name: &str, depth: usize) -> Run<bool> {
        if self.modules.contains(name) {
            return Ok(true);
        }
        if depth > LONGEST_CHAIN {
            return Err(Stop::new(format!("the module {name}: too many modules need each other")));
        }
        if matches!(name, "pgp" | "tpm2_key_protector") {
            return Err(Stop::new(format!("what the module {name} does is not predicted")));
        }
        let path = format!("{}/{PLATFORM}/{name}.mod", self.environment.get("prefix"));
        let Some((path, bytes)) = self.read("a module", &path)? else { return Ok(false) };
        if module::name(&bytes).as_deref() != Some(name) {
            return Err(Stop::new(format!("{path}: is not the module {name}")));
        }
        // It is measured, then refused; those of the memory disk are not looked at (grub-core/kern/verifiers.c, efi/sb.c).
        if self.world.is_secure && !path.starts_with('(') {
            return Ok(false);
        }
        for needed in module::needs(&bytes) {
            if !self.load_at(&needed, depth + 1)? {
                return Ok(false);
            }
        }
        self.modules.insert(name.to_owned());
        match name {
            "tpm" => self.measured.is_on = true,
            // grub-core/normal/main.c, `GRUB_MOD_INIT(normal)`.
            "normal" => {
                self.normal = Some(Normal::of(&bytes));
                self.load_at("gzio", depth + 1)?;
            }
            "gettext" => self.read_translation()?,
            _ => {}
        }
        Ok(true)
    }

    /// Reads the lists of modules beside them (grub-core/normal/main.c, `read_lists`).
    pub(super) fn read_lists(&mut self) -> Run<()> {
        let folder = format!("{}/{PLATFORM}", self.environment.get("prefix"));
        if self.environment.get("prefix").is_empty() {
            return Ok(());
        }
        if let Some((_, list)) = self.read("the list of commands", &format!("{folder}/command.lst"))? {
            self.commands = commands(&String::from_utf8_lossy(&list));
        }
        self.has_fs_list |= self.open("the list of file systems", &format!("{folder}/fs.lst"))?.is_some();
        self.open("the list of cryptography", &format!("{folder}/crypto.lst"))?;
        self.open("the list of terminals", &format!("{folder}/terminal.lst"))?;
        self.read_translation()
    }

    /// Opens the translation again.
    pub(super) fn read_translation(&mut self) -> Run<()> {
        if !self.has_module("gettext") {
            return Ok(());
        }
        let get = |name: &str| self.environment.get(name).to_owned();
        for path in gettext::paths(&get("lang"), &get("locale_dir"), &get("prefix")) {
            let Some((path, bytes)) = self.read("a translation", &path)? else { continue };
            if gettext::is_translation(&bytes) {
                return Ok(());
            }
            return Err(Stop::new(format!("{path}: is no translation, or a compressed one, which is not predicted")));
        }
        Ok(())
    }
}

/// The modules of commands (grub-core/normal/dyncmd.c, `read_command_list`): lines such as `*echo: echo`.
fn commands(list: &str) -> BTreeMap<String, String> {
    let pairs = list.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, module)| (name.trim().trim_start_matches('*').to_owned(), module.trim().to_owned())).collect()
}
