//! Kernel fragments: `.cfg` files, each a list of options with reasons, and the `.scc` files of OpenEmbedded that name them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::configuration::Version;
use super::option;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};

/// The limit for a fragment in bytes: 1 MiB. This project's fragments have some 3 KiB.
const MOST: u64 = 1 << 20;
/// The limit for the number of files that fragments name, counted with repetitions: a .scc file may include itself.
const MOST_FILES: usize = 1000;

/// An option that a fragment asks for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Request {
    /// Without `CONFIG_`.
    pub(in crate::cli) symbol: String,
    /// "n" for an option that must be off.
    pub(in crate::cli) wanted: String,
    /// The comment above it: the text of its lines after the `#`, joined.
    pub(in crate::cli) reason: String,
    /// The fragment's file name.
    pub(in crate::cli) fragment: String,
}

impl Request {
    /// Whether the option must be built in: a module is not enough.
    pub(in crate::cli) fn must_be_built_in(&self) -> bool {
        self.reason.starts_with(" built-in:")
    }

    /// The first kernel that has the option, if the reason names one.
    pub(in crate::cli) fn since(&self) -> Option<Version> {
        let (version, _) = self.reason.strip_prefix(" since ")?.split_once(':')?;
        Version::parse(version).filter(|parsed| parsed.to_string() == version)
    }
}

/// The .cfg files that the fragments name, in the order in which they are merged.
///
/// # Errors
/// When a file cannot be read, is neither a .cfg nor a .scc, or when a .scc file cannot be understood.
pub(in crate::cli) fn expand(fragments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut seen = 0;
    // A stack: its last file is the next one.
    let mut waiting: Vec<PathBuf> = fragments.iter().rev().cloned().collect();
    while let Some(file) = waiting.pop() {
        seen += 1;
        if seen > MOST_FILES {
            let cause = format!("the fragments name more than {MOST_FILES} files");
            return Err(Error::new(file.display(), cause).hint("does a .scc file include itself?"));
        }
        match file.extension().and_then(OsStr::to_str) {
            Some("cfg") => {
                // This only checks that the file can be read.
                text(&file)?;
                files.push(file);
            }
            Some("scc") => {
                let folder = file.parent().unwrap_or(Path::new(""));
                let text = text(&file)?;
                let names = named_in(&file.display().to_string(), &text)?;
                waiting.extend(names.iter().rev().map(|name| folder.join(name)));
            }
            _ => return Err(Error::new(file.display(), "is neither a .cfg nor a .scc file")),
        }
    }
    Ok(files)
}

/// What the fragments ask for, in the order in which they are merged.
///
/// # Errors
/// When a file cannot be read or understood.
pub(in crate::cli) fn read(fragments: &[PathBuf]) -> Result<Vec<Request>> {
    let mut requests = Vec::new();
    for file in expand(fragments)? {
        requests.extend(parse(&file.display().to_string(), &text(&file)?)?);
    }
    Ok(requests)
}

/// The options that the text of the .cfg file `name` asks for.
///
/// # Errors
/// When a line is not a line of a fragment.
pub(in crate::cli) fn parse(name: &str, text: &str) -> Result<Vec<Request>> {
    let mut requests = Vec::new();
    let mut reason = String::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let asked = option::set(line).or_else(|| Some((option::unset(line)?, "n")));
        if let Some((symbol, wanted)) = asked {
            requests.push(Request {
                symbol: symbol.to_owned(),
                wanted: wanted.to_owned(),
                reason: std::mem::take(&mut reason),
                fragment: name.rsplit('/').next().unwrap_or(name).to_owned(),
            });
        } else if let Some(comment) = line.strip_prefix('#') {
            reason.push_str(comment);
        } else if line.is_empty() {
            reason.clear();
        } else {
            let object = format!("{name}, line {number}");
            return Err(Error::new(object, format!("not a line of a kernel fragment: {line}")));
        }
    }
    Ok(requests)
}

/// The files that a .scc file names. They are relative to it, as in OpenEmbedded.
fn named_in<'a>(name: &str, text: &'a str) -> Result<Vec<&'a str>> {
    let mut files = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let file = match words.next() {
            Some("include") => words.next(),
            Some("kconf") => words.nth(1),
            Some("define") | None => continue,
            Some(word) if word.starts_with('#') => continue,
            Some(word) => return Err(Error::new(name, format!("unknown word {word}"))),
        };
        files.push(file.ok_or_else(|| Error::new(name, format!("names no file: {line}")))?);
    }
    Ok(files)
}

fn text(file: &Path) -> Result<String> {
    let bytes = read_limited::read(file, MOST, Kinds::File)
        .map_err(|error| error.renamed(format!("fragment {}", file.display())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_the_comment_above_it_as_its_reason() {
        let text = "# Heading.\n\n# one\n# reason\nCONFIG_A=y\nCONFIG_B=m\n# off\n# CONFIG_C is not set\n# lost\n";
        let found: Vec<_> = parse("folder/f.cfg", text)
            .unwrap()
            .into_iter()
            .map(|asked| [asked.symbol, asked.wanted, asked.reason, asked.fragment])
            .collect();
        let expected = [["A", "y", " one reason", "f.cfg"], ["B", "m", "", "f.cfg"], ["C", "n", " off", "f.cfg"]];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_reason_can_refuse_modules_and_name_a_version() {
        for (reason, built_in, since) in [
            ("since 6.10: why", false, Some("6.10")),
            ("built-in: why", true, None),
            ("since 6: why", false, None),
            ("since 6.10.1: why", false, None),
            ("since then: why", false, None),
            ("not since 6.10: why", false, None),
        ] {
            let request = parse("f.cfg", &format!("# {reason}\nCONFIG_A=y\n")).unwrap().remove(0);
            assert_eq!(request.must_be_built_in(), built_in, "{reason}");
            assert_eq!(request.since().map(|version| version.to_string()).as_deref(), since, "{reason}");
        }
    }

    #[test]
    fn a_line_of_something_else_is_named() {
        for text in ["# why\nCONFIG_A y\n", "\n CONFIG_A=y", "CONFIG_A=y\nhello"] {
            assert_eq!(parse("f.cfg", text).unwrap_err().object(), "f.cfg, line 2", "{text}");
        }
    }

    #[test]
    fn a_feature_names_files_in_order() {
        let text = "define KFEATURE_DESCRIPTION \"words\"\n\n# note\ninclude a.scc\nkconf hardware b.cfg\n  kconf non-hardware c/d.cfg";
        assert_eq!(named_in("f.scc", text).unwrap(), ["a.scc", "b.cfg", "c/d.cfg"]);
        for (text, cause) in [("patch a.patch", "unknown word patch"), ("kconf b.cfg", "names no file: kconf b.cfg")] {
            assert_eq!(named_in("f.scc", text).unwrap_err().to_string(), format!("f.scc: {cause}"));
        }
    }

    #[test]
    fn a_feature_names_the_files_of_the_features_that_it_includes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("sub")).unwrap();
        for (name, text) in [
            ("top.scc", "kconf hardware a.cfg\ninclude sub/sub.scc\nkconf hardware c.cfg\n"),
            ("sub/sub.scc", "kconf hardware b.cfg\n"),
            ("a.cfg", ""),
            ("sub/b.cfg", ""),
            ("c.cfg", ""),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        let expected = ["a.cfg", "sub/b.cfg", "c.cfg", "a.cfg"].map(&path);
        assert_eq!(expand(&[path("top.scc"), path("a.cfg")]).unwrap(), expected);
    }

    #[test]
    fn a_feature_that_includes_itself_ends_in_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("self.scc");
        std::fs::write(&file, "include self.scc\ninclude self.scc\n").unwrap();
        assert!(expand(&[file]).unwrap_err().to_string().contains("more than 1000 files"));
    }
}
