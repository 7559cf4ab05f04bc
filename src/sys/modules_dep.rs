//! modules.dep: the kernel modules in a folder, and the modules that each of them needs.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::sys::modules_left_out::LeftOut;

/// The content of modules.dep: the file of each module and the files of the modules that it needs, relative to the
/// kernel's module folder (depmod(8)).
///
/// The code of a map is larger than that of two lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// In the order of the lines.
    modules: Vec<Module>,
    /// The places of the modules in that list, sorted by their files.
    by_file: Vec<usize>,
}

/// A line of modules.dep.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Module {
    file: String,
    needs: Vec<String>,
}

/// How far the walk of [`Dependencies::order_of`] is with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// It was not met yet.
    New,
    /// Those that it needs are being added, and it comes behind them.
    Open,
    /// It is added.
    Added,
}

impl Dependencies {
    /// Reads the text of modules.dep.
    ///
    /// # Errors
    /// For a line without a colon, and for a path that leads out of the folder.
    pub fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (file, needs) = line.split_once(':').ok_or_else(|| Error::new("modules.dep", "a line has no colon"))?;
            let file = file.trim();
            let needs: Vec<_> = needs.split_whitespace().map(str::to_owned).collect();
            let climbs = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
            if let Some(path) = needs.iter().map(String::as_str).chain([file]).find(|path| climbs(path)) {
                return Err(Error::new("modules.dep", format_args!("{path} is outside the folder")));
            }
            list.by_file.insert(list.rank(file), list.modules.len());
            list.modules.push(Module { file: file.to_owned(), needs });
        }
        Ok(list)
    }

    /// The file of the module called `name`. As for modprobe(8), dashes and underscores are the same.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&str> {
        let name = name.replace('-', "_");
        self.files().find(|file| module_name(file) == name)
    }

    /// The files of all modules.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|module| module.file.as_str())
    }

    /// `files` and all files that they need, each after those it needs.
    ///
    /// # Errors
    /// When a file is not listed, or some need each other in a circle.
    pub fn order<'a>(&'a self, files: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
        let order = self.order_of(&files.collect::<Vec<_>>())?;
        let mut before = BTreeSet::new();
        for file in &order {
            if !self.needs(file).unwrap_or_default().iter().all(|need| before.contains(need.as_str())) {
                return Err(wrong(file, "depends on itself"));
            }
            before.insert(*file);
        }
        Ok(order)
    }

    /// The same for a list. Of a circle, which the builder refuses, the order is any: the kernel then refuses the module that comes first.
    pub(crate) fn order_of<'a>(&'a self, files: &[&'a str]) -> Result<Vec<&'a str>> {
        let mut order = Vec::new();
        let mut visits = vec![Visit::New; self.modules.len()];
        // Not recursive: a chain may be longer than the stack. The last file is the next one.
        let mut rest: Vec<_> = files.iter().rev().copied().collect();
        while let Some(file) = rest.last().copied() {
            let found = self.module(file).and_then(|(place, module)| Some((visits.get_mut(place)?, module)));
            let Some((visit, module)) = found else {
                return Err(wrong(file, "is not in modules.dep"));
            };
            if *visit == Visit::New {
                *visit = Visit::Open;
                for need in module.needs.iter().rev() {
                    rest.push(need);
                }
            } else {
                if *visit == Visit::Open {
                    *visit = Visit::Added;
                    order.push(file);
                }
                rest.pop();
            }
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
        self.modules.iter().any(|module| module.needs.iter().any(|need| need == file))
    }

    /// The files that stand behind `file` in its line; `None` if it is not listed.
    pub(crate) fn needs(&self, file: &str) -> Option<&[String]> {
        self.module(file).map(|(_, module)| module.needs.as_slice())
    }

    /// The module in `file`, and its place in the list. Of two lines for a module, the last counts.
    #[inline(never)]
    fn module(&self, file: &str) -> Option<(usize, &Module)> {
        let place = *self.by_file.get(self.rank(file).wrapping_sub(1))?;
        self.modules.get(place).filter(|module| module.file == file).map(|module| (place, module))
    }

    /// How many of the sorted files do not come behind `file`.
    #[inline(never)]
    fn rank(&self, file: &str) -> usize {
        let name = |place: usize| self.modules.get(place).map_or("", |module| &module.file);
        self.by_file.partition_point(|&place| name(place) <= file)
    }
}

/// The error of a list that does not fit the modules.
#[inline(never)]
fn wrong(file: &str, cause: &str) -> Error {
    Error::new(file, cause).hint("run depmod again")
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
    fn of_two_lines_for_a_module_the_last_counts() {
        let dependencies = Dependencies::parse("a.ko: b.ko\nb.ko:\nc.ko:\na.ko: c.ko\n").unwrap();
        assert_eq!(dependencies.order(["a.ko"].into_iter()).unwrap(), ["c.ko", "a.ko"]);
        assert_eq!(dependencies.order(dependencies.files()).unwrap(), ["c.ko", "a.ko", "b.ko"]);
    }

    /// A walk that calls itself would overflow the stack.
    #[test]
    fn a_chain_of_any_length_has_an_order() {
        const LENGTH: usize = 60_000;
        let line = |link| format!("m{link}.ko: m{}.ko\n", link + 1);
        let chain = (0..LENGTH).map(line).collect::<Vec<_>>().concat();
        let begun = std::time::Instant::now();
        let dependencies = Dependencies::parse(&format!("{chain}m{LENGTH}.ko:\n")).unwrap();
        let order = dependencies.order(["m0.ko"].into_iter()).unwrap();
        assert_eq!((order.len(), order[0], order[LENGTH]), (LENGTH + 1, "m60000.ko", "m0.ko"));
        // If each file is compared with each other one, this takes minutes.
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
        let circle = Dependencies::parse(&format!("{chain}m{LENGTH}.ko: m7.ko\n")).unwrap();
        let error = circle.order(["m0.ko"].into_iter()).unwrap_err().to_string();
        assert!(error.ends_with(": depends on itself (run depmod again)"), "{error}");
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
