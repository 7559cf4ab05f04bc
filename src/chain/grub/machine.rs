//! GRUB while it runs: its variables and modules, and what it has measured so far. `files` has what it opens, `loading` how modules come
//! into it, `variables` what its own variables do.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::environment::Environment;
use super::image::{Image, Known, Normal};
use super::measured::{Digested, Measured};
use super::stop::{Run, Stop};
use super::syntax::Statement;
use super::volumes::Seen;
use crate::chain::kernel::Hashed;
use crate::hash::bank::Bank;

/// How many commands are run at most, for all entries together, and how deep configurations, functions and `if` may be in each
/// other. GRUB runs no more than 64 (grub-core/script/execute.c, `MAX_RECURSION_DEPTH`).
const MOST_STEPS: u32 = 50_000;
const DEEPEST: usize = 48;
/// How many bytes of a configuration cost as much as a command.
const BYTES_OF_A_STEP: usize = 256;

/// The events of kernels with their initrds.
pub(super) type HashedKernels = BTreeMap<((usize, String), Vec<(usize, String)>), Rc<Hashed>>;

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
    pub(super) hashed: &'a RefCell<HashedKernels>,
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
    /// Whether only users with a password may start it, if there are users.
    pub(super) is_restricted: bool,
}

/// How far GRUB has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Start,
    /// Normal mode has begun: from then on, a new prefix makes GRUB read the lists again.
    Normal,
    /// The menu was shown, and an entry runs.
    Entry,
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
    pub(super) modules: BTreeSet<String>,
    pub(super) normal: Option<Normal>,
    /// The modules of commands, of the file command.lst.
    pub(super) commands: BTreeMap<String, String>,
    /// Whether there is a list of modules for file systems: GRUB loads them if a search finds nothing.
    pub(super) has_fs_list: bool,
    pub(super) stage: Stage,
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
            stage: Stage::Start,
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
}
