//! The folder that the facts are read from: `/`, or the root of another machine.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::fact::Fact;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Context, Result};

/// The root folder.
#[derive(Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    /// Opens a folder.
    ///
    /// # Errors
    /// If there is no such folder.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let folder = fs::canonicalize(folder).about(folder.display())?;
        fs::read_dir(&folder).about_hint(folder.display(), "give the folder that has proc, sys, boot and lib")?;
        Ok(Self(folder))
    }

    /// Where a path below the root leads. A link of another machine's disk that leads out of it is not followed: it would name a
    /// file of this machine.
    pub(super) fn place(&self, path: &str) -> Fact<PathBuf> {
        let wanted = self.0.join(path);
        match fs::canonicalize(&wanted) {
            Ok(place) if place.starts_with(&self.0) => Fact::Known(place),
            Ok(_) => Fact::Unread(format!("{}: leads out of the folder", wanted.display())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Fact::Absent,
            Err(error) => Fact::Unread(format!("{}: {error}", wanted.display())),
        }
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        matches!(self.place(path), Fact::Known(_))
    }

    /// The bytes of a file, at most `limit`.
    pub(super) fn bytes(&self, path: &str, limit: u64) -> Fact<Vec<u8>> {
        self.place(path).parse(|place| read_limited::read(&place, limit, Kinds::File))
    }

    /// The text of a small file, without white space at its ends. No file that is read so has more than 4 KiB: those of sysfs have at
    /// most a page (kernel, Documentation/filesystems/sysfs.rst).
    pub(super) fn line(&self, path: &str) -> Fact<String> {
        self.bytes(path, 4096).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The names in a folder, in order.
    pub(super) fn names(&self, path: &str) -> Fact<Vec<String>> {
        self.place(path).parse(|place| {
            let entries = fs::read_dir(&place).about(place.display())?;
            let mut names = Vec::new();
            for entry in entries {
                names.push(entry.about(place.display())?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok::<_, crate::error::Error>(names)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_of_another_machine_leads_to_a_file_of_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("in")).unwrap();
        fs::write(path("in/a"), " text\n").unwrap();
        fs::write(path("outside"), "secret").unwrap();
        symlink("a", path("in/good")).unwrap();
        symlink("../outside", path("in/up")).unwrap();
        symlink("/etc/passwd", path("in/far")).unwrap();
        let root = Root::open(&path("in")).unwrap();
        assert_eq!(root.line("good").known().map(String::as_str), Some("text"));
        for name in ["up", "far"] {
            assert!(root.line(name).unread().is_some_and(|why| why.ends_with("leads out of the folder")), "{name}");
        }
        assert!(matches!(root.line("b"), Fact::Absent) && matches!(root.line("a/b"), Fact::Absent));
        assert_eq!(root.names(".").known().unwrap().len(), 4);
        assert!(Root::open(&path("outside")).is_err());
    }
}
