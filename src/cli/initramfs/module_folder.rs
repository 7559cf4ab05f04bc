//! A kernel's module folder: which module files an initramfs needs for the modules that the user names.

use std::collections::BTreeSet;
use std::path::Path;

use super::module_file::unpacked_name;
use super::soft_dependencies::SoftDependencies;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Context, Error, Result};
use crate::sys::modules_dep::{Dependencies, module_name};

/// The modules that every boot needs: loop makes a block device of the image, of its Merkle tree or of its copy in RAM;
/// overlay is the root's file system.
const EVERY_BOOT: [&str; 2] = ["loop", "overlay"];

/// The limit for a list of depmod in bytes: 64 MiB. The longest one of a PC kernel, modules.alias, has some 2 MiB.
const LIST: u64 = 64 << 20;

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
        let modules = text(&list).map_err(|error| error.hint_if_none("run depmod for this kernel first"))?;
        // The other lists may be missing: an old depmod, or a kernel without built-in modules.
        let other = |name: &str| {
            let list = folder.join(name);
            if list.exists() { text(&list) } else { Ok(String::new()) }
        };
        Ok(Self {
            dependencies: Dependencies::parse(&modules)?,
            soft_dependencies: SoftDependencies::new(other("modules.softdep")?, other("modules.alias")?),
            builtin: other("modules.builtin")?.lines().map(module_name).collect(),
        })
    }

    /// The files of the modules `names` and of all modules that they need, in the order in which they are loaded. A module that
    /// is built into the kernel has no file. Fails if the kernel lacks one of `names`.
    pub(super) fn closure(&self, names: &[String]) -> Result<Vec<&str>> {
        let mut files = Vec::new();
        for name in names {
            match self.dependencies.file(name) {
                Some(file) => files.push(file),
                None if self.builtin.contains(&name.replace('-', "_")) => {}
                None => return Err(self.unknown(name)),
            }
        }
        self.with_soft_dependencies(files)
    }

    /// The error of a module that the kernel does not have.
    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(format!("module {name}"), "neither a module of this kernel nor built into it");
        // depmod leaves the list empty if it ran before the modules were there, or cannot unpack them (kmod(8), `--version`).
        error.hint(if self.dependencies.files().next().is_none() {
            "modules.dep is empty: run depmod for this kernel, with a kmod that knows the compression of its modules"
        } else {
            "is the kernel's package complete? a cloud kernel lacks most drivers for real hardware"
        })
    }

    /// `files`, all that they depend on, and the soft dependencies of all of these, in the order in which they are loaded.
    fn with_soft_dependencies<'a>(&'a self, mut files: Vec<&'a str>) -> Result<Vec<&'a str>> {
        loop {
            let order = self.dependencies.order(files.iter().copied())?;
            let needs = order.iter().flat_map(|file| self.soft_dependencies.of(&module_name(file)));
            let new: BTreeSet<_> =
                needs.flat_map(|name| self.files_of(&name)).filter(|file| !order.contains(file)).collect();
            if new.is_empty() {
                return Ok(order);
            }
            files.splice(0..0, new);
        }
    }

    /// The file of a module, or the files of the modules that have this alias.
    fn files_of(&self, name: &str) -> Vec<&str> {
        match self.dependencies.file(name) {
            Some(file) => vec![file],
            None => self.soft_dependencies.aliased(name).filter_map(|module| self.dependencies.file(module)).collect(),
        }
    }

    /// Checks that `files` have the modules that every boot needs, unless they are built into this kernel.
    pub(super) fn check_complete(&self, files: &[&str]) -> Result<()> {
        let left_out = |name: &&&str| self.dependencies.file(name).is_some_and(|file| !files.contains(&file));
        EVERY_BOOT.iter().find(left_out).map_or(Ok(()), |name| {
            Err(Error::new(format!("module {name}"), "missing, and no image boots without it")
                .hint(format!("add --module {name}")))
        })
    }

    /// The lines of a modules.dep for `files`, after they are unpacked.
    pub(super) fn dep_lines(&self, files: &[&str]) -> Result<String> {
        files.iter().try_fold(String::new(), |text, file| {
            let order = self.dependencies.order(std::iter::once(*file))?;
            let needs = order.iter().rev().skip(1).map(|file| unpacked_name(file)).collect::<Vec<_>>().join(" ");
            Ok(format!("{text}{}:{}{needs}\n", unpacked_name(file), if needs.is_empty() { "" } else { " " }))
        })
    }
}

impl ModuleFolder {
    /// The lines of modules.alias for `files`; `None` if the kernel's folder has no such list. The agent loads all modules then.
    pub(super) fn alias_lines(&self, files: &[&str]) -> Option<String> {
        let names: BTreeSet<_> = files.iter().map(|file| module_name(file)).collect();
        self.soft_dependencies.alias_lines(&|module| names.contains(&module.replace('-', "_")))
    }
}

fn text(list: &Path) -> Result<String> {
    String::from_utf8(read_limited::read(list, LIST, Kinds::File)?).about(list.display())
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
                "# comment\nsoftdep x_y pre: z post: absent\nsoftdep libcrc32c pre: crc32c\n".to_owned(),
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
            folder.dep_lines(&files).unwrap(),
            "kernel/nls/nls_ascii.ko:\nkernel/fs/fat/fat.ko:\nkernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\n"
        );
        assert_eq!(folder.dep_lines(&["kernel/x-y.ko.xz"]).unwrap(), "kernel/x-y.ko:\n", "it is unpacked");
    }
}
