//! Which module files an initramfs needs for the modules a person names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::sys::modules::{Dependencies, module_name};

/// Modules that the kernel asks modprobe for by name when it mounts a file system; there is none in the initramfs.
/// FAT wants the tables of its default code page and character set (CONFIG_FAT_DEFAULT_CODEPAGE and _IOCHARSET).
const ASKED_FOR: [(&str, &[&str]); 1] = [("vfat", &["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"])];

/// What no boot goes without: the overlay of the root, and a block device made of the image, of its tree, or of its copy.
const EVERY_BOOT: [&str; 2] = ["loop", "overlay"];

/// A kernel's module folder, /lib/modules/VERSION.
#[derive(Debug)]
pub struct ModuleFolder {
    dependencies: Dependencies,
    builtin: BTreeSet<String>,
    soft: String,
    aliases: String,
}

impl ModuleFolder {
    /// Reads depmod's lists.
    ///
    /// # Errors
    /// When there is no modules.dep.
    pub fn open(folder: &Path) -> Result<Self> {
        let list = folder.join("modules.dep");
        let text = fs::read_to_string(&list).about_hint(list.display(), "run depmod for this kernel first")?;
        // These may be absent: a kernel without built-in modules, an old depmod.
        let other = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        Ok(Self {
            dependencies: Dependencies::parse(&text)?,
            builtin: other("modules.builtin").lines().map(module_name).collect(),
            soft: other("modules.softdep"),
            aliases: other("modules.alias"),
        })
    }

    /// The files of `names` and of all they need, in the order in which they are loaded. What is built into the kernel
    /// needs no file.
    ///
    /// # Errors
    /// When there is no such module.
    pub fn closure(&self, names: &[String]) -> Result<Vec<&str>> {
        let mut files = Vec::new();
        for name in names {
            match self.dependencies.file(name) {
                Some(file) => files.push(file),
                None if self.builtin.contains(&name.replace('-', "_")) => {}
                None => {
                    return Err(Error::new(
                        format!("module {name}"),
                        "neither a module of this kernel nor built into it",
                    )
                    .hint("is the kernel's package complete? cloud kernels lack most drivers for real hardware"));
                }
            }
        }
        self.with_soft_needs(files)
    }

    /// `files` and what they need, and what those name as soft needs, which a kernel asks modprobe for: before them all, as far
    /// as there are any. libcrc32c does not start without a crc32c.
    fn with_soft_needs<'a>(&'a self, mut files: Vec<&'a str>) -> Result<Vec<&'a str>> {
        loop {
            let order = self.dependencies.order(files.iter().copied())?;
            let needs = order.iter().flat_map(|file| self.soft_needs(&module_name(file)));
            let new: BTreeSet<_> =
                needs.flat_map(|name| self.named(&name)).filter(|file| !order.contains(file)).collect();
            if new.is_empty() {
                return Ok(order);
            }
            files.splice(0..0, new);
        }
    }

    /// The files of a module, or of those that depmod's modules.alias (`alias NAME MODULE`) lists for the name.
    fn named(&self, name: &str) -> Vec<&str> {
        let alias = |line: &str| {
            let mut words = line.split(' ').skip(1);
            (words.next()? == name).then_some(words.next()?).and_then(|module| self.dependencies.file(module))
        };
        match self.dependencies.file(name) {
            Some(file) => vec![file],
            None => self.aliases.lines().filter_map(alias).collect(),
        }
    }

    /// Checks that `files` have what no boot goes without, as far as this kernel has it as a module.
    ///
    /// # Errors
    /// For the first one that is left out.
    pub fn suffices(&self, files: &[&str]) -> Result<()> {
        let left_out = |name: &&&str| self.dependencies.file(name).is_some_and(|file| !files.contains(&file));
        EVERY_BOOT.iter().find(left_out).map_or(Ok(()), |name| {
            Err(Error::new(format!("module {name}"), "not asked for, and no image boots without it")
                .hint(format!("add --module {name}")))
        })
    }

    /// What depmod's modules.softdep (`softdep NAME pre: A B post: C`) and our own list name for a module.
    fn soft_needs(&self, name: &str) -> Vec<String> {
        let name = name.replace('-', "_");
        let listed = self.soft.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "softdep" && words.next()?.replace('-', "_") == name).then_some(words)
        });
        let asked = ASKED_FOR.iter().filter(|(module, _)| *module == name).flat_map(|(_, needs)| *needs);
        listed.flatten().filter(|word| !word.ends_with(':')).chain(asked.copied()).map(str::to_owned).collect()
    }

    /// The lines of modules.dep for `files`.
    ///
    /// # Errors
    /// When one of them needs a file that is not among them.
    pub fn dep_lines(&self, files: &[&str]) -> Result<String> {
        files.iter().try_fold(String::new(), |text, file| {
            let order = self.dependencies.order(std::iter::once(*file))?;
            let needs = order.iter().rev().skip(1).copied().collect::<Vec<_>>().join(" ");
            Ok(format!("{text}{file}:{}{needs}\n", if needs.is_empty() { "" } else { " " }))
        })
    }
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
            soft: "# comment\nsoftdep x_y pre: z post: absent\nsoftdep libcrc32c pre: crc32c\n".to_owned(),
            aliases: "# comment\nalias crc32c crc32c_intel\nalias crc32c crc32c_generic\nalias fs-erofs erofs\n"
                .to_owned(),
        }
    }

    #[test]
    fn no_boot_goes_without_loop_and_overlay() {
        let folder = |dep: &str| ModuleFolder { dependencies: Dependencies::parse(dep).unwrap(), ..folder() };
        let suffices = |dep: &str, files: &[&str]| folder(dep).suffices(files).map_err(|error| error.to_string());
        assert_eq!(suffices("a/loop.ko:\na/overlay.ko.xz:\n", &["a/overlay.ko.xz", "a/loop.ko"]), Ok(()));
        // Built in.
        assert_eq!(suffices("a/overlay.ko:\n", &["a/overlay.ko"]), Ok(()));
        let error = suffices("a/loop.ko:\na/overlay.ko:\n", &["a/overlay.ko"]).unwrap_err();
        assert_eq!(error, "module loop: not asked for, and no image boots without it (add --module loop)");
    }

    #[test]
    fn a_module_comes_with_all_it_needs() {
        let closure = |name: &str| folder().closure(&[name.to_owned()]).map(|f| f.join(" ")).map_err(|e| e.to_string());
        assert_eq!(closure("vfat").unwrap(), "kernel/nls/nls_ascii.ko kernel/fs/fat/fat.ko kernel/fs/fat/vfat.ko");
        assert_eq!(closure("x-y").unwrap(), "kernel/z.ko kernel/x-y.ko.xz");
        assert_eq!(
            closure("erofs").unwrap(),
            "kernel/crc32c_generic.ko kernel/crc32c_intel.ko kernel/lib/libcrc32c.ko kernel/erofs.ko"
        );
        assert_eq!(closure("ext4").unwrap(), "");
        assert!(closure("absent").unwrap_err().starts_with("module absent: "));
        let folder = folder();
        let files = folder.closure(&["vfat".to_owned()]).unwrap();
        assert_eq!(
            folder.dep_lines(&files).unwrap(),
            "kernel/nls/nls_ascii.ko:\nkernel/fs/fat/fat.ko:\nkernel/fs/fat/vfat.ko: kernel/fs/fat/fat.ko\n"
        );
    }
}
