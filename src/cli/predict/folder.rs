//! A folder with the tree of a file system that firmware reads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::chain::one_name::one_of;
use crate::chain::volume::Volume;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::cli::unchanged::Unchanged;
use crate::error::{Context, Error, Result};

/// The folder.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    path: &'a Path,
    /// What was read of it: the boots are those of files that were there together.
    read: RefCell<BTreeMap<PathBuf, Unchanged>>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, read: RefCell::default() }
    }

    /// Checks that all that was read of it is still the same.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        for (path, before) in &*self.read.borrow() {
            let name = path.display();
            before.check_against(&fs::metadata(path).about(&name)?, &name)?;
        }
        Ok(())
    }

    /// Takes note of what is read.
    fn note(&self, path: &Path) -> Result<()> {
        let mut read = self.read.borrow_mut();
        if !read.contains_key(path) {
            read.insert(path.to_owned(), Unchanged::settled(&fs::metadata(path).about(path.display())?));
        }
        Ok(())
    }

    /// What is in a folder; nothing if it is a file or not there.
    fn entries(&self, folder: &Path) -> Result<Vec<DirEntry>> {
        let name = folder.display();
        match fs::read_dir(folder) {
            Ok(entries) => {
                self.note(folder)?;
                entries.map(|entry| entry.about(&name)).collect()
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound) => Ok(Vec::new()),
            Err(error) => Err(Error::new(name, error)),
        }
    }

    /// The file or folder with this path. FAT does not tell capital from small letters, and has no links: one could lead out of
    /// the folder.
    fn find(&self, path: &str) -> Result<Option<PathBuf>> {
        let mut found = self.path.to_owned();
        for part in path.split('/') {
            let named = self.entries(&found)?.into_iter().filter(|entry| is_named(entry, part));
            let Some(entry) = one_of(named, part).map_err(|error| error.on(found.display()))? else { return Ok(None) };
            found = entry.path();
            if entry.file_type().about(found.display())?.is_symlink() {
                return Err(Error::new(found.display(), "is a symbolic link, which a FAT does not have")
                    .hint("copy the partition's files with their contents"));
            }
        }
        Ok(Some(found))
    }
}

impl Volume for Folder<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.find(path)? else { return Ok(None) };
        self.note(&file)?;
        read_limited::read(&file, limit, Kinds::File).map(Some)
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let folder = if folder.is_empty() { Some(self.path.to_owned()) } else { self.find(folder)? };
        let Some(folder) = folder else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in self.entries(&folder)? {
            let path = entry.path();
            if entry.file_type().about(path.display())?.is_dir() {
                continue;
            }
            let name = entry.file_name().into_string();
            names.push(
                name.map_err(|_| Error::new(path.display(), "its name is not UTF-8, as that of a file on a FAT"))?,
            );
        }
        names.sort();
        Ok(names)
    }

    fn has_folder(&self, path: &str) -> Result<bool> {
        Ok(path.is_empty() || self.find(path)?.is_some_and(|path| path.is_dir()))
    }
}

fn is_named(entry: &DirEntry, name: &str) -> bool {
    entry.file_name().to_str().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_are_those_of_a_fat() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("EFI/Linux/folder")).unwrap();
        fs::write(top.path().join("EFI/Linux/b.efi"), "b").unwrap();
        fs::write(top.path().join("EFI/Linux/A.efi"), "123").unwrap();
        let folder = Folder::new(top.path());
        assert_eq!(folder.names("efi/linux").unwrap(), ["A.efi", "b.efi"]);
        fs::write(top.path().join("c.efi"), "c").unwrap();
        assert_eq!(folder.names("").unwrap(), ["c.efi"]);
        assert_eq!(folder.names("efi/none").unwrap(), [""; 0]);
        assert_eq!(folder.read("efi/LINUX/a.EFI", 3).unwrap().as_deref(), Some(b"123".as_slice()));
        assert!(folder.read("efi/linux/a.efi", 2).unwrap_err().to_string().contains("longer than 2 bytes"));
        for none in ["efi/linux/c", "efi/linux/a.efi/x", "../etc", "efi/../efi/linux/a.efi", ""] {
            assert_eq!(folder.read(none, 9).unwrap(), None, "{none}");
        }
        let folder = Folder::new(top.path());
        assert_eq!(folder.read("efi/LINUX/a.EFI", 3).unwrap().as_deref(), Some(b"123".as_slice()));
        folder.check_unchanged().unwrap();
        // A Linux folder may have what no FAT has.
        fs::write(top.path().join("EFI/Linux/a.EFI"), "4").unwrap();
        let said = folder.check_unchanged().unwrap_err().to_string();
        assert!(said.contains("EFI/Linux: was changed while it was read"), "{said}");
        let said = folder.read("efi/linux/A.efi", 9).unwrap_err().to_string();
        assert!(said.contains("EFI/Linux: A.efi: is the name of several files"), "{said}");
        assert!(folder.read("efi/linux/b.efi", 9).unwrap().is_some());
        symlink("/etc", top.path().join("EFI/link")).unwrap();
        assert!(folder.read("efi/link/passwd", 9).unwrap_err().to_string().contains("is a symbolic link"));
    }
}
