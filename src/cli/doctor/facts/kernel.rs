//! A kernel: its configuration, its modules, and what it has loaded.

use std::collections::BTreeSet;
use std::path::Path;

use procfs::{CryptoTable, FromBufRead, KernelModules};

use super::fact::Fact;
use super::root::Root;
use crate::cli::input_file::Kinds;
use crate::cli::kernel_config::configuration::Configuration;
use crate::cli::read_limited;
use crate::error::Result;

/// The limit for a file of /proc and for a list of modules in bytes: 16 MiB. Debian's modules.dep has 700 KiB.
const MOST: u64 = 16 << 20;

/// Where the folder of a kernel's modules is: usually; where /lib is no link that can be followed; and on NixOS, which has neither.
const MODULE_FOLDERS: [&str; 3] = ["lib/modules/", "usr/lib/modules/", "run/booted-system/kernel-modules/lib/modules/"];

/// The kernel.
#[derive(Debug, Default)]
pub(in crate::cli::doctor) struct Kernel {
    /// Its configuration.
    pub(in crate::cli::doctor) configuration: Fact<Configuration>,
    /// The modules that it can load or has built in, with `_` for `-`.
    pub(in crate::cli::doctor) modules: Fact<BTreeSet<String>>,
    /// The file systems that it has now (proc_filesystems(5)).
    pub(in crate::cli::doctor) filesystems: Fact<BTreeSet<String>>,
    /// The algorithms that it has now (kernel, crypto/proc.c).
    pub(in crate::cli::doctor) algorithms: Fact<BTreeSet<String>>,
    /// The modules that are loaded (proc_modules(5)).
    pub(in crate::cli::doctor) loaded: Fact<BTreeSet<String>>,
}

impl Kernel {
    /// Reads the one that runs, or that ran: another machine's disk has no /proc, but one kernel or more in /boot.
    pub(super) fn read(root: &Root) -> Self {
        let release = root.line("proc/sys/kernel/osrelease");
        // It is a part of paths.
        let release = release.known().filter(|release| !release.is_empty() && !release.contains('/'));
        let of_release = |start: &str, end: &str| match release {
            Some(release) => root.place(&format!("{start}{release}{end}")),
            None => Fact::Absent,
        };
        let of_modules = |end: &str| {
            let places = MODULE_FOLDERS.iter().map(|folder| of_release(folder, end));
            places.reduce(|found, next| found.or(|| next)).unwrap_or_default()
        };
        let configuration = root
            .place("proc/config.gz")
            .or(|| of_release("boot/config-", ""))
            .or(|| of_modules("/config"))
            .or(|| of_modules("/build/.config"))
            .parse(|path| Configuration::read(&path));
        Self {
            configuration,
            modules: of_modules("").parse(|folder| modules_in(&folder)),
            filesystems: root.bytes("proc/filesystems", MOST).map(|bytes| filesystems(&bytes)),
            algorithms: root.bytes("proc/crypto", MOST).parse(|bytes| {
                CryptoTable::from_buf_read(bytes.as_slice()).map(|table| table.crypto_blocks.into_keys().collect())
            }),
            loaded: root.bytes("proc/modules", MOST).parse(|bytes| {
                KernelModules::from_buf_read(bytes.as_slice()).map(|modules| modules.0.into_keys().collect())
            }),
        }
    }

    /// Reads another kernel from files that the user names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn of_files(configuration: Option<&Path>, modules: Option<&Path>) -> Result<Self> {
        let configuration = configuration.map(Configuration::read).transpose()?;
        let modules = modules.map(modules_in).transpose()?;
        let fact = |known: Option<_>| known.map_or(Fact::Absent, Fact::Known);
        Ok(Self {
            configuration: configuration.map_or(Fact::Absent, Fact::Known),
            modules: fact(modules),
            ..Self::default()
        })
    }
}

/// The file systems: the last word of each line.
fn filesystems(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// The modules of a folder such as /lib/modules/6.1.0: those in files, of modules.dep, and those in the kernel, of modules.builtin
/// (kmod, modules.dep(5)).
fn modules_in(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let builtin = folder.join("modules.builtin");
    let files = [Some(folder.join("modules.dep")), builtin.exists().then_some(builtin)];
    for file in files.into_iter().flatten() {
        let bytes = read_limited::read(&file, MOST, Kinds::File)?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            let path = line.split(':').next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
            names.insert(name.replace('-', "_"));
        }
    }
    Ok(names)
}
