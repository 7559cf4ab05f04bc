//! GRUB while it runs: its variables and modules, the files that it opens, and what it has measured so far.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::environment::Environment;
use super::image::{Image, Known, Normal};
use super::measured::{Digested, Measured};
use super::stop::{Run, Stop};
use super::syntax::Statement;
use super::volumes::{self, Seen};
use super::{gettext, memdisk, module};
use crate::chain::authenticode::digests_of_parts;
use crate::chain::volume::{CONFIGURATION, PROGRAM};
use crate::hash::bank::Bank;

/// The folder of the modules for UEFI on x86-64.
const PLATFORM: &str = "x86_64-efi";
/// What the root of a GRUB from grub-mkstandalone is called.
const MEMDISK: &str = "memdisk";
/// How many commands are run at most, for all entries together, and how deep configurations, functions and `if` may be in each
/// other. GRUB runs no more than 64 (grub-core/script/execute.c, `MAX_RECURSION_DEPTH`).
const MOST_STEPS: u32 = 50_000;
const DEEPEST: usize = 48;
/// How many bytes of a configuration cost as much as a command.
const BYTES_OF_A_STEP: usize = 256;
/// How many modules may need each other in a row. GRUB's own do so up to some ten.
const LONGEST_CHAIN: usize = 32;

/// What does not change while GRUB runs.
pub(super) struct World<'a> {
    pub(super) image: &'a Image,
    pub(super) seen: &'a [Seen<'a>],
    pub(super) banks: &'a [Bank],
    /// Whether Secure Boot is on.
    pub(super) is_secure: bool,
    /// Whether shim starts GRUB.
    pub(super) has_shim: bool,
    pub(super) digested: &'a RefCell<Digested>,
    pub(super) steps: Cell<u32>,
}

/// A kernel that GRUB has loaded.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// Where the kernel is: the file system and the path.
    pub(super) kernel: (usize, String),
    /// The command line.
    pub(super) command_line: String,
    /// The place of the command.
    pub(super) place: String,
    /// Where the initrds are.
    pub(super) initrds: Vec<(usize, String)>,
}

/// An entry of a menu.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) title: String,
    pub(super) id: Option<String>,
    pub(super) arguments: Vec<String>,
    pub(super) source: super::source::Source,
    pub(super) line: u32,
    pub(super) is_submenu: bool,
}

/// GRUB while it runs.
#[derive(Clone)]
pub(super) struct Machine<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) environment: Environment,
    pub(super) measured: Measured,
    /// What must be so on the machine.
    pub(super) assumes: BTreeSet<String>,
    pub(super) functions: BTreeMap<String, Rc<[Statement]>>,
    /// The arguments of the function or the entry that runs.
    pub(super) arguments: Option<Vec<String>>,
    pub(super) menu: Vec<Item>,
    pub(super) loaded: Option<Loaded>,
    /// Whether the last command had success: the variable `?`.
    pub(super) had_success: bool,
    pub(super) depth: usize,
    modules: BTreeSet<String>,
    normal: Option<Normal>,
    /// The modules of commands, of the file command.lst.
    commands: BTreeMap<String, String>,
    /// Whether there is a list of modules for file systems: GRUB loads them if a search finds nothing.
    pub(super) has_fs_list: bool,
    /// Whether normal mode has begun: from then on, a new prefix makes GRUB read the lists again.
    pub(super) is_normal: bool,
}

impl<'a> Machine<'a> {
    pub(super) fn new(world: &'a World<'a>) -> Self {
        let modules = world.image.modules.clone();
        let measured = Measured { is_on: modules.contains("tpm"), ..Measured::default() };
        Self {
            world,
            environment: Environment::new(),
            measured,
            assumes: BTreeSet::new(),
            functions: BTreeMap::new(),
            arguments: None,
            menu: Vec::new(),
            loaded: None,
            had_success: true,
            depth: 0,
            modules,
            normal: world.image.normal.clone(),
            commands: BTreeMap::new(),
            has_fs_list: false,
            is_normal: false,
        }
    }

    /// The module `normal`.
    pub(super) fn normal(&self) -> Run<&Normal> {
        self.normal.as_ref().ok_or_else(|| Stop::new("GRUB does not find its module normal"))
    }

    /// What is known of the version.
    pub(super) fn known(&self) -> Run<Known> {
        self.normal()?.known()
    }

    /// Counts a command, or work with as many bytes.
    pub(super) fn spend(&self, bytes: usize) -> Run<()> {
        let cost = u32::try_from(bytes / BYTES_OF_A_STEP).unwrap_or(MOST_STEPS);
        let steps = self.world.steps.get().saturating_add(cost + 1);
        self.world.steps.set(steps);
        if steps > MOST_STEPS { Err(Stop::new("the configuration has too many commands")) } else { Ok(()) }
    }

    /// About how many bytes a copy has.
    pub(super) fn size(&self) -> usize {
        let events = self.measured.texts.len() + self.measured.files.len();
        events * BYTES_OF_A_STEP + self.environment.size()
    }

    /// Goes one call deeper.
    pub(super) fn enter(&mut self) -> Run<()> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Stop::new("the configuration is too deep in itself")) } else { Ok(()) }
    }

    /// Measures a text.
    pub(super) fn measure(&mut self, kind: &str, text: &str, place: &str) -> Run<()> {
        self.spend(text.len())?;
        let is_bounded = self.measured.text(kind, text, place, self.world.banks);
        if is_bounded { Ok(()) } else { Err(Stop::new("the configuration measures too much")) }
    }

    /// The file system and the path of a file. `None` for the file system: the memory disk.
    fn place(&self, name: &str) -> Run<(Option<usize>, String)> {
        let (device, path) = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) => (device, path),
            None => (self.environment.get("root"), name),
        };
        let number = if device == MEMDISK { None } else { Some(volumes::by_name(self.world.seen, device)?) };
        Ok((number, volumes::path(path)?))
    }

    /// Opens a file, which measures it. Where it is; `None` if it is not there.
    pub(super) fn open(&mut self, what: &str, name: &str) -> Run<Option<(Option<usize>, String)>> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else {
            return Ok(self.memdisk(&path)?.map(|_| (None, path)));
        };
        let key = (number, path);
        let found = self.world.digested.borrow().get(&key).cloned();
        let digests = if let Some(digests) = found {
            digests
        } else {
            let Some(bytes) = self.bytes(number, &key.1, PROGRAM)? else { return Ok(None) };
            let digests = digests_of_parts(&[&bytes], self.world.banks);
            self.world.digested.borrow_mut().insert(key.clone(), digests.clone());
            digests
        };
        if !self.measured.file(what, &key.1, &digests) {
            return Err(Stop::new("the configuration measures too many files"));
        }
        Ok(Some((Some(number), key.1)))
    }

    /// Opens a file and reads it. `None` if it is not there.
    pub(super) fn read(&mut self, what: &str, name: &str) -> Run<Option<(String, Vec<u8>)>> {
        let bytes = match self.open(what, name)? {
            None => return Ok(None),
            Some((None, path)) => self.memdisk(&path)?.map(|bytes| (format!("(memdisk)/{path}"), bytes.into_owned())),
            Some((Some(number), path)) => self.bytes(number, &path, CONFIGURATION)?.map(|bytes| (path, bytes)),
        };
        Ok(bytes)
    }

    /// A file system that GRUB can read now.
    fn seen(&self, number: usize) -> Run<&'a Seen<'a>> {
        let seen = self.world.seen.get(number).ok_or_else(|| Stop::new("a disk was not given"))?;
        match seen.module {
            Some(module) if !self.has_module(module) => {
                Err(Stop::new(format!("GRUB has not loaded its module {module}, with which it reads the file system")))
            }
            _ => Ok(seen),
        }
    }

    /// The bytes of a file, without measuring them.
    pub(super) fn bytes(&self, number: usize, path: &str, limit: u64) -> Run<Option<Vec<u8>>> {
        self.seen(number)?.files.read(path, limit).map_err(|error| Stop::new(error.to_string()))
    }

    fn memdisk(&self, path: &str) -> Run<Option<Cow<'a, [u8]>>> {
        let file = memdisk::file(&self.world.image.memdisk, path)?;
        self.spend(file.as_ref().map_or(0, |file| file.len()))?;
        Ok(file)
    }

    /// Whether a file is there. A test of the command `test` measures nothing.
    pub(super) fn has(&self, name: &str) -> Run<bool> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else { return Ok(self.memdisk(&path)?.is_some()) };
        let seen = self.seen(number)?;
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let names = seen.files.names(folder).map_err(|error| Stop::new(error.to_string()))?;
        if names.iter().any(|name| name == file) {
            return Ok(true);
        }
        // The file system decides whether capital letters matter.
        let is_similar = names.iter().any(|name| name.eq_ignore_ascii_case(file));
        Ok(is_similar && self.bytes(number, &path, PROGRAM)?.is_some())
    }

    /// Whether a folder is there.
    pub(super) fn has_folder(&self, name: &str) -> Run<bool> {
        let (number, path) = self.place(name)?;
        let Some(number) = number else { return memdisk::has_folder(&self.world.image.memdisk, &path) };
        self.seen(number)?.files.has_folder(&path).map_err(|error| Stop::new(error.to_string()))
    }

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

    /// Sets a variable, with what GRUB does because of it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Run<()> {
        match name {
            "secondary_locale_dir" if !value.is_empty() => {
                return Err(Stop::new(format!("{name}: a second translation is not predicted")));
            }
            "theme" if !value.is_empty() => return Err(Stop::new("theme: graphical menus are not predicted")),
            _ => {}
        }
        self.environment.set(name, value)?;
        match name {
            "prefix" if self.is_normal => self.read_lists(),
            "lang" | "locale_dir" => self.read_translation(),
            _ => Ok(()),
        }
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
}

/// The modules of commands (grub-core/normal/dyncmd.c, `read_command_list`): lines such as `*echo: echo`.
fn commands(list: &str) -> BTreeMap<String, String> {
    let pairs = list.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, module)| (name.trim().trim_start_matches('*').to_owned(), module.trim().to_owned())).collect()
}

impl Machine<'_> {
    /// Opens the translation again.
    fn read_translation(&mut self) -> Run<()> {
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
