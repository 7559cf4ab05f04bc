//! A kernel's module folder: which module files an initramfs needs for the modules that the user names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::companions;
use super::module_file::unpacked_name;
use super::soft_dependencies::SoftDependencies;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::sys::modules_dep::{Dependencies, module_name};

/// The modules that every boot needs: loop makes a block device of the image, of its Merkle tree or of its copy in RAM;
/// overlay is the root's file system.
const EVERY_BOOT: [&str; 2] = ["loop", "overlay"];

/// The limit for a list of depmod in bytes: 64 MiB. The longest one of a PC kernel, modules.alias, has some 2 MiB.
const LIST: u64 = 64 << 20;

/// What to do if modules.dep is not there, or cannot be read.
const NO_LIST: &str =
    "if this is the folder of one kernel, /lib/modules/VERSION, run depmod for this kernel first; else name that one";
const READABLE: &str = "run this as a user who may read it";

/// What to do with a damaged list.
const DEPMOD: &str = "run depmod for this kernel again";

/// A kernel's module folder, /lib/modules/VERSION.
#[derive(Debug)]
pub(super) struct ModuleFolder {
    dependencies: Dependencies,
    soft_dependencies: SoftDependencies,
    builtin: BTreeSet<String>,
}

impl ModuleFolder {
    /// Reads the lists that depmod wrote. Fails if there is no modules.dep.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let list = folder.join("modules.dep");
        let modules =
            text(&list).map_err(|error| error.hint_if_none(if list.exists() { READABLE } else { NO_LIST }))?;
        // The other lists may be missing: an old depmod, or a kernel without built-in modules.
        let other = |name: &str| {
            let list = folder.join(name);
            if list.exists() { text(&list) } else { Ok(String::new()) }
        };
        let (softdep, alias) = (other("modules.softdep")?, other("modules.alias")?);
        for (name, lost) in [
            ("modules.softdep", "modules that others ask for when they start, such as crc32c for ext4, are left out"),
            ("modules.builtin", "what is built into the kernel is not known"),
        ] {
            if !folder.join(name).exists() {
                log::warn!("{}: is missing: {lost}; is the kernel's package whole?", folder.join(name).display());
            }
        }
        if alias.is_empty() {
            let list = folder.join("modules.alias");
            log::warn!(
                "{}: is missing or empty: the boot loads all modules of the initramfs, and not only those that the machine needs, and \
                 modules that others ask for by an alias are left out; {DEPMOD}",
                list.display()
            );
        }
        Ok(Self {
            dependencies: Dependencies::parse(&modules).map_err(|error| in_line(&list, &modules, error))?,
            soft_dependencies: SoftDependencies::new(&softdep, alias),
            builtin: other("modules.builtin")?.lines().map(module_name).collect(),
        })
    }

    /// The files of the modules `names` and of all modules that they need, in the order in which they are loaded. A module that
    /// is built into the kernel has no file. Fails if the kernel lacks some of `names`.
    pub(super) fn closure(&self, names: &[String]) -> Result<Vec<&str>> {
        let (mut files, mut unknown) = (Vec::new(), Vec::new());
        for name in names {
            match self.dependencies.file(name) {
                Some(file) => files.push(file),
                None if self.builtin.contains(&name.replace('-', "_")) => {}
                None => unknown.push(name.as_str()),
            }
        }
        if !unknown.is_empty() {
            return Err(self.unknown(&unknown));
        }
        self.with_soft_dependencies(files)
    }

    /// The error of modules that the kernel does not have.
    fn unknown(&self, names: &[&str]) -> Error {
        let shown = names.iter().map(|name| if name.is_empty() { "\"\"" } else { name }).collect::<Vec<_>>().join(", ");
        let modules = if names.len() == 1 { "module" } else { "modules" };
        let error = Error::new(format!("{modules} {shown}"), "neither a module of this kernel nor built into it");
        let is_no_name = |name: &&str| {
            name.is_empty() || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        };
        if names.iter().any(is_no_name) {
            return error.hint(
                "--module takes the name of one module, without its folder and .ko; give it once for each module",
            );
        }
        for alias in names {
            if let Some(name) = self.soft_dependencies.aliased(alias).next() {
                return error.hint(format!("{alias} is another name of {name}: name that"));
            }
        }
        // depmod leaves the list empty if it ran before the modules were there, or cannot unpack them (kmod(8), `--version`).
        error.hint(if self.dependencies.files().next().is_none() {
            "modules.dep is empty: run depmod for this kernel, with a kmod that knows the compression of its modules"
        } else {
            "is the kernel's package complete? a cloud kernel lacks most drivers for real hardware"
        })
    }

    /// `files`, all that they depend on, and the soft dependencies of all of these, in the order in which they are loaded.
    fn with_soft_dependencies<'a>(&'a self, mut files: Vec<&'a str>) -> Result<Vec<&'a str>> {
        let mut by_name = BTreeMap::new();
        for file in self.dependencies.files() {
            by_name.entry(module_name(file)).or_insert(file);
        }
        let file_called = |name: &str| by_name.get(&name.replace('-', "_")).copied();
        // Each round looks only at what the one before has added.
        let (mut known, mut added) = (BTreeSet::new(), files.clone());
        while !added.is_empty() {
            let mut needs = BTreeSet::new();
            for file in self.dependencies.order(added.into_iter())? {
                if known.insert(file) {
                    needs.extend(self.soft_dependencies.of(&module_name(file)));
                }
            }
            // The file of a module, or the files of the modules that have this alias.
            let of_name_or_alias = |name: &String| match file_called(name) {
                Some(file) => vec![file],
                None => self.soft_dependencies.aliased(name).filter_map(file_called).collect(),
            };
            added = needs.iter().flat_map(of_name_or_alias).filter(|file| !known.contains(file)).collect();
            added.sort_unstable();
            added.dedup();
            files.splice(0..0, added.iter().copied());
        }
        self.dependencies.order(files.into_iter())
    }

    /// Checks that `files` have the modules that every boot needs, unless they are built into this kernel.
    pub(super) fn check_complete(&self, files: &[&str]) -> Result<()> {
        let left_out = |name: &&&str| self.dependencies.file(name).is_some_and(|file| !files.contains(&file));
        EVERY_BOOT.iter().find(left_out).map_or(Ok(()), |name| {
            Err(Error::new(format!("module {name}"), "missing, and no image boots without it")
                .hint(format!("add --module {name}")))
        })
    }

    /// What `files` probably lack.
    pub(super) fn companions(&self, files: &[&str]) -> Vec<String> {
        companions::missing(&files.iter().map(|file| module_name(file)).collect(), &self.builtin)
    }

    /// The lines of a modules.dep for `files`, after they are unpacked. depmod lists all that a module needs, the agent follows the
    /// lines of a list that does not, too.
    pub(super) fn dep_lines(&self, files: &[&str]) -> String {
        let line = |file: &&str| {
            let needs = self.dependencies.needs(file).unwrap_or_default().iter();
            let needs = needs.flat_map(|need| [" ", unpacked_name(need)]).collect::<String>();
            format!("{}:{needs}\n", unpacked_name(file))
        };
        files.iter().map(line).collect::<Vec<_>>().concat()
    }
}

impl ModuleFolder {
    /// The lines of modules.alias for `files`; `None` if the kernel's folder has no such list. The agent loads all modules then.
    pub(super) fn alias_lines(&self, files: &[&str]) -> Option<String> {
        let names: BTreeSet<_> = files.iter().map(|file| module_name(file)).collect();
        self.soft_dependencies.alias_lines(&|module| names.contains(&module.replace('-', "_")))
    }
}

/// The text of a list. Warns if its last line has no end: depmod ends each line.
fn text(list: &Path) -> Result<String> {
    let text = String::from_utf8(read_limited::read(list, LIST, Kinds::File)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|&&byte| byte == b'\n').count() + 1;
        Error::new(format!("{}, line {line}", list.display()), "is not UTF-8, as a list of depmod is").hint(DEPMOD)
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        log::warn!(
            "{}: its last line has no end, so the list may be cut off: the boot may lack a module, or load it only after a wait of 2 s; {DEPMOD}",
            list.display()
        );
    }
    Ok(text)
}

/// The error of modules.dep with the list's path and the first line that has it.
fn in_line(list: &Path, text: &str, error: Error) -> Error {
    let line = text.lines().position(|line| Dependencies::parse(line).is_err()).map_or(0, |place| place + 1);
    error.renamed(format!("{}, line {line}", list.display())).hint(DEPMOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> ModuleFolder {
        let dep = "kernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\nkernel/fs/fat/fat.ko:\nkernel/nls/nls_ascii.ko:\n\
                   kernel/x-y.ko.xz:\nkernel/z.ko:\nkernel/erofs.ko: kernel/lib/libcrc32c.ko\n\
                   kernel/lib/libcrc32c.ko:\nkernel/crc32c_intel.ko:\nkernel/crc32c_generic.ko:\n";
        ModuleFolder {
            dependencies: Dependencies::parse(dep).unwrap(),
            builtin: BTreeSet::from(["ext4".to_owned(), "nls_cp437".to_owned()]),
            soft_dependencies: SoftDependencies::new(
                "# comment\nsoftdep x_y pre: z post: absent\nsoftdep libcrc32c pre: crc32c\n",
                "# comment\nalias crc32c crc32c_intel\nalias crc32c crc32c_generic\nalias fs-erofs erofs\n".to_owned(),
            ),
        }
    }

    #[test]
    fn every_boot_needs_loop_and_overlay() {
        let folder = |dep: &str| ModuleFolder { dependencies: Dependencies::parse(dep).unwrap(), ..folder() };
        let check = |dep: &str, files: &[&str]| folder(dep).check_complete(files).map_err(|error| error.to_string());
        assert_eq!(check("a/loop.ko:\na/overlay.ko.xz:\n", &["a/overlay.ko.xz", "a/loop.ko"]), Ok(()));
        // A kernel with loop built in.
        assert_eq!(check("a/overlay.ko:\n", &["a/overlay.ko"]), Ok(()));
        let error = check("a/loop.ko:\na/overlay.ko:\n", &["a/overlay.ko"]).unwrap_err();
        assert_eq!(error, "module loop: missing, and no image boots without it (add --module loop)");
    }

    /// A hostile list: each module has the next one as its soft dependency.
    #[test]
    fn a_long_chain_of_soft_dependencies_is_followed() {
        const LENGTH: usize = 5000;
        let lines = |line: &dyn Fn(usize) -> String| (0..LENGTH).map(line).collect::<Vec<_>>().concat();
        let dep = lines(&|link| format!("m{link}.ko:\n"));
        let softdep = lines(&|link| format!("softdep m{link} pre: m{}\n", link + 1));
        let folder = ModuleFolder {
            dependencies: Dependencies::parse(&dep).unwrap(),
            soft_dependencies: SoftDependencies::new(&softdep, String::new()),
            ..folder()
        };
        let begun = std::time::Instant::now();
        let order = folder.closure(&["m0".to_owned()]).unwrap();
        assert_eq!((order.len(), order[0], order[LENGTH - 1]), (LENGTH, "m4999.ko", "m0.ko"));
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_module_comes_with_all_modules_that_it_needs() {
        let closure = |name: &str| folder().closure(&[name.to_owned()]).map(|f| f.join(" ")).map_err(|e| e.to_string());
        assert_eq!(closure("vfat").unwrap(), "kernel/nls/nls_ascii.ko kernel/fs/fat/fat.ko kernel/fs/fat/vfat.ko");
        assert_eq!(closure("x-y").unwrap(), "kernel/z.ko kernel/x-y.ko.xz");
        assert_eq!(
            closure("erofs").unwrap(),
            "kernel/crc32c_generic.ko kernel/crc32c_intel.ko kernel/lib/libcrc32c.ko kernel/erofs.ko"
        );
        assert_eq!(closure("ext4").unwrap(), "");
        assert!(
            closure("absent")
                .unwrap_err()
                .starts_with("module absent: neither a module of this kernel nor built into it (is")
        );
        for (names, expected) in [
            (
                &["absent", "vfat", "other"][..],
                "modules absent, other: neither a module of this kernel nor built into it (is the ",
            ),
            (
                &["z.ko"],
                "module z.ko: neither a module of this kernel nor built into it (--module takes the name of one module, ",
            ),
            (
                &["crc32c"],
                "module crc32c: neither a module of this kernel nor built into it (crc32c is another name of crc32c_intel",
            ),
            (&["a|b"], "module a|b: neither a module of this kernel nor built into it (--module takes"),
            (&["vfat,z"], "module vfat,z: neither a module of this kernel nor built into it (--module takes"),
            (&["kernel/z"], "module kernel/z: neither a module of this kernel nor built into it (--module takes"),
            (
                &["", "absent"],
                "modules \"\", absent: neither a module of this kernel nor built into it (--module takes",
            ),
        ] {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let error = folder().closure(&names).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let empty = ModuleFolder { dependencies: Dependencies::default(), ..folder() };
        let error = empty.closure(&["vfat".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("(modules.dep is empty: run depmod"), "{error}");
        assert!(empty.closure(&["ext4".to_owned()]).unwrap().is_empty(), "all that is needed may be built in");
        let folder = folder();
        assert_eq!(folder.alias_lines(&["kernel/erofs.ko.xz", "kernel/z.ko"]).unwrap(), "alias fs-erofs erofs\n");
        assert_eq!(
            ModuleFolder { soft_dependencies: SoftDependencies::default(), ..self::folder() }.alias_lines(&[]),
            None
        );
        let files = folder.closure(&["vfat".to_owned()]).unwrap();
        assert_eq!(
            folder.dep_lines(&files),
            "kernel/nls/nls_ascii.ko:\nkernel/fs/fat/fat.ko:\nkernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\n"
        );
        assert_eq!(folder.dep_lines(&["kernel/x-y.ko.xz"]), "kernel/x-y.ko:\n", "it is unpacked");
    }
}
