//! Kernel modules that the initramfs carries, loaded in the order of their dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::{Context, Error, Result};

/// modules.dep: each module's file and the files it needs, relative to the kernel's module folder (depmod(8)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(BTreeMap<String, Vec<String>>);

/// `MODULE_INIT_COMPRESSED_FILE` (kernel, include/uapi/linux/module.h), which nix does not name yet.
const COMPRESSED: u32 = 4;

impl Dependencies {
    /// Reads the text of modules.dep.
    ///
    /// # Errors
    /// For a line without a colon, and for a path that leaves the folder.
    pub fn parse(text: &str) -> Result<Self> {
        let mut modules = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (file, needs) = line.split_once(':').ok_or_else(|| Error::new("modules.dep", "a line has no colon"))?;
            let needs: Vec<_> = needs.split_whitespace().map(str::to_owned).collect();
            let climbs = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
            if let Some(path) = needs.iter().map(String::as_str).chain([file]).find(|path| climbs(path)) {
                return Err(Error::new("modules.dep", format!("{path} lies outside its folder")));
            }
            modules.insert(file.trim().to_owned(), needs);
        }
        Ok(Self(modules))
    }

    /// The file of the module called `name`; dashes and underscores are the same, as for modprobe(8).
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        let name = name.replace('-', "_");
        self.0.keys().map(String::as_str).find(|file| module_name(file) == name)
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// `files` and all they need, each behind what it needs.
    ///
    /// # Errors
    /// When one is not listed, or they need each other in a circle.
    pub fn order<'a>(&'a self, files: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
        let mut order = Vec::new();
        let (mut done, mut open) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            self.visit(file, &mut order, &mut done, &mut open)?;
        }
        Ok(order)
    }

    /// Whether `file` itself needs one of `others`.
    fn needs_any(&self, file: &str, others: &BTreeSet<&str>) -> bool {
        self.0.get(file).is_some_and(|needs| needs.iter().any(|need| others.contains(need.as_str())))
    }

    fn visit<'a>(
        &'a self,
        file: &'a str,
        order: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        open: &mut BTreeSet<&'a str>,
    ) -> Result<()> {
        if done.contains(file) {
            return Ok(());
        }
        if !open.insert(file) {
            return Err(Error::new(file, "needs itself").hint("run depmod anew"));
        }
        let needs = self.0.get(file).ok_or_else(|| Error::new(file, "not in modules.dep").hint("run depmod anew"))?;
        for need in needs {
            self.visit(need, order, done, open)?;
        }
        done.insert(file);
        order.push(file);
        Ok(())
    }
}

/// The kernel's name of the module in a file: `kernel/fs/a-b.ko.xz` is `a_b`.
#[must_use]
pub fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split(".ko").next().unwrap_or(name).replace('-', "_")
}

/// Loads every module below `folder`, with the parameters that the command line gives for it.
///
/// # Errors
/// When one cannot be loaded, for what it drives would be missed later with a less telling error. A driver whose hardware is
/// absent is left out, and with it those that need it, as the parts of a hypervisor's bus do.
pub fn load_all(folder: &Path, parameters: &[(String, String)]) -> Result<()> {
    let list = folder.join("modules.dep");
    let text = match fs::read_to_string(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            log::info!("{}: the initramfs carries no modules for this kernel", folder.display());
            return Ok(());
        }
        text => text.about(list.display())?,
    };
    let dependencies = Dependencies::parse(&text)?;
    let order = dependencies.order(dependencies.files())?;
    let mut absent = BTreeSet::new();
    for file in &order {
        let useless = dependencies.needs_any(file, &absent);
        if useless || !load(&folder.join(file), &settings(&module_name(file), parameters))? {
            absent.insert(*file);
        }
    }
    log::info!("{} modules loaded", order.len() - absent.len());
    Ok(())
}

fn settings(module: &str, parameters: &[(String, String)]) -> String {
    let own = parameters.iter().filter(|(name, _)| name == module).map(|(_, setting)| setting.as_str());
    own.collect::<Vec<_>>().join(" ")
}

/// Loads a module; false when its hardware is absent.
fn load(path: &Path, settings: &str) -> Result<bool> {
    let file = File::open(path).about_hint(path.display(), "modules.dep lists it; is it in the initramfs?")?;
    let settings = std::ffi::CString::new(settings).about(path.display())?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = ModuleInitFlags::from_bits_retain(if plain { 0 } else { COMPRESSED });
    match finit_module(&file, &settings, flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(true),
        // A driver whose hardware is absent says so; whether that matters shows when the device is waited for.
        Err(error @ (Errno::ENODEV | Errno::ENXIO)) => {
            log::info!("{}: {error}", path.display());
            Ok(false)
        }
        Err(error) if plain => Err(Error::new(path.display(), error).hint("was it built for this very kernel?")),
        Err(error) => Err(Error::new(path.display(), error)
            .hint("is CONFIG_MODULE_DECOMPRESS set? else pack the modules uncompressed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/a.ko.xz: kernel/b-b.ko.xz kernel/c.ko\nkernel/b-b.ko.xz: kernel/c.ko\n\nkernel/c.ko:\n";

    #[test]
    fn a_module_comes_behind_what_it_needs() {
        let dependencies = Dependencies::parse(DEP).unwrap();
        assert_eq!(
            dependencies.order(dependencies.files()).unwrap(),
            ["kernel/c.ko", "kernel/b-b.ko.xz", "kernel/a.ko.xz"]
        );
        assert_eq!(dependencies.file("b_b"), Some("kernel/b-b.ko.xz"));
        assert_eq!(dependencies.file("b-b"), dependencies.file("b_b"));
        assert_eq!(dependencies.file("d"), None);
    }

    #[test]
    fn what_needs_a_driver_without_hardware_is_known() {
        let dependencies = Dependencies::parse(DEP).unwrap();
        let absent = BTreeSet::from(["kernel/b-b.ko.xz"]);
        assert!(dependencies.needs_any("kernel/a.ko.xz", &absent));
        assert!(!dependencies.needs_any("kernel/b-b.ko.xz", &absent));
    }

    #[test]
    fn a_bad_list_is_refused() {
        for (text, cause) in [
            ("a.ko", "a line has no colon"),
            ("a.ko: ../b.ko", "../b.ko lies outside its folder"),
            ("/a.ko:", "/a.ko lies outside its folder"),
        ] {
            assert!(Dependencies::parse(text).unwrap_err().to_string().contains(cause), "{text}");
        }
        for text in ["a.ko: b.ko", "a.ko: b.ko\nb.ko: a.ko", "a.ko: a.ko"] {
            let dependencies = Dependencies::parse(text).unwrap();
            assert!(dependencies.order(dependencies.files()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_module_gets_its_own_parameters() {
        let given = [("loop", "max_loop=3"), ("vfat", "x"), ("loop", "max_part=1")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(settings("loop", &given), "max_loop=3 max_part=1");
    }
}
