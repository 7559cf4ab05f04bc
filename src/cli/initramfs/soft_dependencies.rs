//! Soft dependencies: modules that modules.dep does not list, because the kernel asks modprobe for them while it runs. The
//! initramfs has no modprobe, so the agent loads them beforehand. Example: libcrc32c does not start without a crc32c.

use std::collections::BTreeMap;

/// Soft dependencies that depmod does not list. vfat loads the tables of its default code page and character set when it
/// mounts a file system (CONFIG_FAT_DEFAULT_CODEPAGE, CONFIG_FAT_DEFAULT_IOCHARSET).
const UNLISTED: [(&str, &[&str]); 1] = [("vfat", &["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"])];

/// depmod's lists of soft dependencies and of aliases.
#[derive(Debug, Default)]
pub(super) struct SoftDependencies {
    /// The soft dependencies of each module.
    listed: BTreeMap<String, Vec<String>>,
    alias: String,
    /// The modules that have an alias.
    aliased: BTreeMap<String, Vec<String>>,
}

impl SoftDependencies {
    /// From the texts of modules.softdep and modules.alias.
    pub(super) fn new(softdep: &str, alias: String) -> Self {
        let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if let (Some("softdep"), Some(name)) = (words.next(), words.next()) {
                let needs = words.filter(|word| !word.ends_with(':')).map(str::to_owned);
                listed.entry(name.replace('-', "_")).or_default().extend(needs);
            }
        }
        let mut aliased: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in alias.lines() {
            let mut words = line.split(' ').skip(1);
            if let (Some(alias), Some(module)) = (words.next(), words.next()) {
                aliased.entry(alias.to_owned()).or_default().push(module.to_owned());
            }
        }
        Self { listed, alias, aliased }
    }

    /// The soft dependencies of a module, by name or alias: those in modules.softdep (`softdep NAME pre: A B post: C`), and
    /// those that depmod does not list. The kernel need not have all of them.
    pub(super) fn of(&self, module: &str) -> Vec<String> {
        let name = module.replace('-', "_");
        let unlisted = UNLISTED.iter().filter(|(module, _)| *module == name).flat_map(|(_, needs)| *needs);
        let listed = self.listed.get(&name).into_iter().flatten().cloned();
        listed.chain(unlisted.map(|&need| need.to_owned())).collect()
    }

    /// The lines of modules.alias for the modules that `is_packed` names; `None` if the list is empty.
    pub(super) fn alias_lines(&self, is_packed: &dyn Fn(&str) -> bool) -> Option<String> {
        let is_for_it = |line: &&str| {
            line.strip_prefix("alias ")
                .and_then(|rest| rest.rsplit_once(' '))
                .is_some_and(|(_, module)| is_packed(module))
        };
        let lines = self.alias.lines().filter(is_for_it).map(|line| format!("{line}\n"));
        (!self.alias.is_empty()).then(|| lines.collect())
    }

    /// The modules with an alias, from modules.alias (`alias NAME MODULE`).
    pub(super) fn aliased(&self, alias: &str) -> impl Iterator<Item = &str> {
        self.aliased.get(alias).into_iter().flatten().map(String::as_str)
    }
}
