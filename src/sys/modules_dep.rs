//! modules.dep: the kernel modules in a folder, and the modules that each of them needs.

use crate::error::{Error, Result};
use crate::sys::modules_left_out::LeftOut;

/// The content of modules.dep: the file of each module and the files of the modules that it needs, relative to the
/// kernel's module folder (depmod(8)).
///
/// A list serves: to load a module takes far longer than to find it, and the code of a map is larger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(Vec<Module>);

/// A line of modules.dep.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    file: String,
    needs: Vec<String>,
}

impl Dependencies {
    /// Reads the text of modules.dep.
    ///
    /// # Errors
    /// For a line without a colon, and for a path that leads out of the folder.
    pub fn parse(text: &str) -> Result<Self> {
        let mut modules: Vec<Module> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (file, needs) = line.split_once(':').ok_or_else(|| Error::new("modules.dep", "a line has no colon"))?;
            let file = file.trim();
            let needs: Vec<_> = needs.split_whitespace().map(str::to_owned).collect();
            let climbs = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
            if let Some(path) = needs.iter().map(String::as_str).chain([file]).find(|path| climbs(path)) {
                return Err(Error::new("modules.dep", format_args!("{path} is outside the folder")));
            }
            // Of two lines for a module, the last counts.
            modules.retain(|module| module.file != file);
            modules.push(Module { file: file.to_owned(), needs });
        }
        Ok(Self(modules))
    }

    /// The file of the module called `name`. As for modprobe(8), dashes and underscores are the same.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        let name = name.replace('-', "_");
        self.files().find(|file| module_name(file) == name)
    }

    /// The files of all modules.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|module| module.file.as_str())
    }

    /// `files` and all files that they need, each after those it needs.
    ///
    /// # Errors
    /// When a file is not listed, or some need each other in a circle.
    pub fn order<'a>(&'a self, files: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
        self.order_of(&files.collect::<Vec<_>>())
    }

    /// The same for a list.
    pub(crate) fn order_of<'a>(&'a self, files: &[&'a str]) -> Result<Vec<&'a str>> {
        let mut order = Vec::new();
        for file in files {
            self.add(file, &mut order, &mut Vec::new())?;
        }
        Ok(order)
    }

    /// Whether `file` directly needs a module that is left out.
    pub(crate) fn needs_any(&self, file: &str, left_out: &LeftOut) -> bool {
        self.needs(file).is_some_and(|needs| needs.iter().any(|need| left_out.has(&module_name(need))))
    }

    /// Whether `file` needs the module in `other`.
    pub(crate) fn needs_other(&self, file: &str, other: &str) -> bool {
        self.needs(file).is_some_and(|needs| needs.iter().any(|need| need == other))
    }

    /// Whether any other module needs `file`.
    pub(crate) fn is_needed(&self, file: &str) -> bool {
        self.files().any(|other| self.needs_other(other, file))
    }

    /// The files that `file` needs; `None` if it is not listed.
    fn needs(&self, file: &str) -> Option<&[String]> {
        self.0.iter().find(|module| module.file == file).map(|module| module.needs.as_slice())
    }

    /// Adds `file` to `order`, after those it needs. `open` has the files whose needs are being added.
    fn add<'a>(&'a self, file: &'a str, order: &mut Vec<&'a str>, open: &mut Vec<&'a str>) -> Result<()> {
        if order.contains(&file) {
            return Ok(());
        }
        if open.contains(&file) {
            return Err(Error::new(file, "depends on itself").hint("run depmod again"));
        }
        let needs =
            self.needs(file).ok_or_else(|| Error::new(file, "is not in modules.dep").hint("run depmod again"))?;
        open.push(file);
        for need in needs {
            self.add(need, order, open)?;
        }
        open.pop();
        order.push(file);
        Ok(())
    }
}

/// The kernel's name for the module in `file`: for `kernel/fs/a-b.ko.xz` it is `a_b`.
#[must_use]
pub(crate) fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split(".ko").next().unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::modules_left_out::Reason;

    const DEP: &str = "kernel/a.ko.xz: kernel/b-b.ko.xz kernel/c.ko\nkernel/b-b.ko.xz: kernel/c.ko\n\nkernel/c.ko:\n";

    #[test]
    fn a_module_comes_after_those_it_needs() {
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
    fn a_module_that_needs_an_absent_one_is_found() {
        let dependencies = Dependencies::parse(DEP).unwrap();
        let mut absent = LeftOut::default();
        absent.add("b_b".to_owned(), Reason::Forbidden);
        assert!(dependencies.needs_any("kernel/a.ko.xz", &absent));
        assert!(!dependencies.needs_any("kernel/b-b.ko.xz", &absent));
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for (text, cause) in [
            ("a.ko", "a line has no colon"),
            ("a.ko: ../b.ko", "../b.ko is outside the folder"),
            ("/a.ko:", "/a.ko is outside the folder"),
            // Found by fuzzing: the space hid the slash.
            (" /a.ko:", "/a.ko is outside the folder"),
        ] {
            assert!(Dependencies::parse(text).unwrap_err().to_string().contains(cause), "{text}");
        }
        for text in ["a.ko: b.ko", "a.ko: b.ko\nb.ko: a.ko", "a.ko: a.ko"] {
            let dependencies = Dependencies::parse(text).unwrap();
            assert!(dependencies.order(dependencies.files()).is_err(), "{text}");
        }
    }
}
