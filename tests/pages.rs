//! The pages name files, headings, functions and tests that exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The folders whose paths a page may name.
const FOLDERS: [&str; 9] =
    ["src/", "tests/", "test-vm/", "initramfs/", "kernel-fragments/", "fuzz/", "docs/", ".ci/", "benches/"];

/// The files with this ending below a folder.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path, ending) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

/// Each page with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(ROOT);
    let mut pages = [files(&root.join("docs"), ".md"), files(&root.join("initramfs"), ".md")].concat();
    pages.extend([root.join("README.md"), root.join("fuzz/README.md")]);
    pages.into_iter().map(|page| (page.clone(), fs::read_to_string(page).unwrap())).collect()
}

/// The parts of a page in backticks; not the blocks of commands.
fn quoted(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2).collect::<String>();
    outside.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn each_path_exists() {
    for (page, text) in pages() {
        for path in quoted(&text) {
            let path = path.split(' ').next().unwrap();
            let is_pattern = path.contains(['*', '<', '$', '{']) || path.contains("NAME");
            if FOLDERS.iter().any(|folder| path.starts_with(folder)) && !is_pattern {
                assert!(Path::new(ROOT).join(path).exists(), "{}: {path}", page.display());
            }
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn each_link_leads_to_a_file_and_a_heading() {
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
                assert!(headings.iter().any(|anchor| anchor == heading), "{}: {link}", page.display());
            }
        }
    }
}

/// The list by reader is also the order of the site.
#[test]
fn each_page_is_in_the_list_by_reader() {
    let list = fs::read_to_string(Path::new(ROOT).join("docs/README.md")).unwrap();
    for page in files(&Path::new(ROOT).join("docs"), ".md") {
        let name = page.file_name().unwrap().to_str().unwrap();
        let entry = format!(". [{name}]({name})");
        assert!(name == "README.md" || list.contains(&entry), "docs/README.md has no row with {entry:?}");
    }
}

/// Whether code has this name as a whole word.
fn has(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + name.len()..].starts_with(is_part))
}

#[test]
fn each_name_in_the_code_exists() {
    let folders = ["src", "tests", "test-vm/src", "test-vm/tests", "initramfs/tss2"];
    let sources = folders.map(|folder| files(&Path::new(ROOT).join(folder), ".rs"));
    let code: String = sources.iter().flatten().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (page, text) in pages() {
        for quoted in quoted(&text) {
            let (path, is_path) = (quoted.trim_end_matches("()"), quoted.contains("::") || quoted.ends_with("()"));
            let name = path.rsplit("::").next().unwrap();
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
            // Nothing but tests has names of so many words.
            let is_test = name.matches('_').count() > 2 && name == name.to_lowercase();
            if is_name && (is_path || is_test) {
                assert!(has(&code, name), "{}: there is no {quoted}", page.display());
            }
        }
    }
}
