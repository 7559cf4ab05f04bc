//! Which room may use which other room. The tests read the uses from the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of src/, from bottom to top. A room may name itself and the rooms before it.
const ROOMS: [&str; 21] = [
    "count", "say", "error", "cursor", "sys", "console", "cmdline", "hash", "media", "measure", "seal", "root", "tpm",
    "eventlog", "evidence", "chain", "config", "boot", "cli", "internal", "main",
];

/// The rooms that may know the whole configuration. `internal` only names it for the tests.
const KNOW_CONFIG: [&str; 4] = ["config", "boot", "cli", "internal"];

/// A source file: its path below src/ without `.rs`, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The room is the first part of the path.
    fn room(&self) -> String {
        self.path.iter().next().unwrap().to_string_lossy().into_owned()
    }

    /// The text without the tests, which may use any room.
    fn without_tests(&self) -> &str {
        let end = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
        let end = end.iter().filter_map(|mark| self.text.find(mark)).min();
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// The path after each `crate::`. Braces give one path for each name in them.
    fn names(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        for rest in text.split("crate::").skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).unwrap_or(rest.len());
            let (path, rest) = rest.split_at(end);
            match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some((inside, _)) if path.ends_with("::") || path.is_empty() => {
                    names.extend(inside.split(',').map(|name| format!("{path}{}", name.trim())));
                }
                _ => names.push(path.to_owned()),
            }
        }
        names
    }
}

fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                // A comment may name any room.
                let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let text = code.join("\n");
                sources.push(Source { path: path.strip_prefix(&top).unwrap().with_extension(""), text });
            }
        }
    }
    sources.retain(|source| source.path != Path::new("lib"));
    assert!(sources.len() > 50, "the sources are in {}", top.display());
    sources
}

#[test]
fn a_room_names_no_room_above_it() {
    let rank = |room: &str| ROOMS.iter().position(|known| *known == room);
    for source in sources() {
        let room = source.room();
        let own = rank(&room).unwrap_or_else(|| panic!("{room} is a new room: give it its place in ROOMS"));
        for name in Source::names(&source.text) {
            let other = name.split("::").next().unwrap();
            let Some(other_rank) = rank(other) else { continue };
            assert!(
                other_rank <= own,
                "src/{}.rs names crate::{name}: {room} is below {other}. A room is given what it needs, so that a reader of \
                 {room} need not know {other}",
                source.path.display()
            );
        }
    }
}

#[test]
fn no_file_imports_a_file_that_imports_it() {
    let sources = sources();
    let files: BTreeSet<PathBuf> = sources.iter().map(|source| source.path.clone()).collect();
    // The file that has a module. For a/b/c it is the first that exists of a/b/c.rs, a/b/c/mod.rs, a/b.rs, ...
    let file = |module: &Path| {
        module
            .ancestors()
            .find_map(|path| [path.to_owned(), path.join("mod")].into_iter().find(|path| files.contains(path)))
    };
    let mut imports: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for source in &sources {
        let text = source.without_tests();
        let parent = source.path.parent().unwrap();
        // `super` is the folder of a file, and the folder above that of a mod.rs.
        let above = if source.path.ends_with("mod") { parent.parent().unwrap_or(parent) } else { parent };
        let absolute = format!("crate::{}::", above.display().to_string().replace('/', "::"));
        let text = text.replace("super::", &absolute).replace("pub(crate::", "pub(");
        let named = Source::names(&text).into_iter().filter_map(|name| file(&name.split("::").collect::<PathBuf>()));
        imports.insert(source.path.clone(), named.filter(|path| *path != source.path).collect());
    }
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 200, "the imports were not found");
    for (path, named) in &imports {
        for other in named {
            // A path to a mod.rs is a path to its room, not to one of the room's files.
            let room = other.ends_with("mod") && path.starts_with(other.parent().unwrap());
            assert!(
                room || !imports[other].contains(path),
                "src/{}.rs and src/{}.rs import each other: neither can be read, tested or moved without the other. Put what \
                 both need into a third file",
                path.display(),
                other.display()
            );
        }
    }
}

#[test]
fn only_the_operating_system_and_the_sha_instructions_are_unsafe() {
    let allows = |source: &Source| source.text.contains("allow(unsafe_code)");
    let allowed: Vec<_> = sources().into_iter().filter(allows).map(|source| source.path).collect();
    let (system, others): (Vec<_>, Vec<_>) = allowed.into_iter().partition(|path| path.starts_with("sys"));
    assert!(!system.is_empty(), "the sources were not read");
    let sha = ["hash/sha256_pair/aarch64", "hash/sha256_pair/x86_64"].map(PathBuf::from);
    assert_eq!(BTreeSet::from_iter(others), BTreeSet::from(sha), "unsafe belongs into src/sys/");
}

#[test]
fn only_boot_and_cli_know_the_configuration() {
    for source in sources().iter().filter(|source| !KNOW_CONFIG.contains(&source.room().as_str())) {
        let knows = source.text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Config");
        assert!(
            !knows,
            "src/{}.rs names Config, and so depends on the whole command line. Take only the values that it needs, or a \
             small struct such as ImageRequest",
            source.path.display()
        );
    }
}
