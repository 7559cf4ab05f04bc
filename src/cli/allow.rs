//! The file with the list of trusted images.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Args;

use super::read_limited;
use crate::error::{Context, Error, Result};
use crate::evidence::allow::{Added, AllowList, Entry};
use crate::evidence::expiry::Until;
use crate::measure::measurement::Report;

/// No list is longer than this many bytes; an entry has some 500.
const MAX: u64 = 64 << 20;

/// Where a prediction is added to.
#[derive(Debug, Args)]
pub struct AllowEntry {
    /// Add the image to this list of trusted images, which measureroot verify --allow takes.
    #[arg(long = "allow-entry", value_name = "FILE")]
    list: Option<std::path::PathBuf>,
    /// The image's name in the list [default: that of its file].
    #[arg(long, requires = "list")]
    name: Option<String>,
    /// The last day (2027-01-31, in UTC) or moment (RFC 3339) at which it is trusted [default: for good].
    #[arg(long, value_name = "DATE", requires = "list")]
    until: Option<Until>,
}

impl AllowEntry {
    /// Adds what was predicted of the image called `image`, if that is wanted.
    ///
    /// # Errors
    /// When the list cannot be read or written.
    pub fn add(&self, image: &str, report: &Report) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        let name = self.name.clone().unwrap_or_else(|| image.to_owned());
        let entry = Entry::of(&name, report, self.until.clone());
        let until = entry.until.as_ref().map_or("for good".to_owned(), |until| format!("until {until}"));
        match append(list, entry)? {
            Added::New => log::info!("{}: trusts {name} {until}", list.display()),
            Added::Renewed => log::info!("{}: had the image already; trusts it as {name} {until}", list.display()),
            Added::Known => log::info!("{}: has it already: {name}, {until}", list.display()),
        }
        Ok(())
    }
}

/// Reads a list.
///
/// # Errors
/// When it is not one.
pub fn read(path: &Path) -> Result<AllowList> {
    let text = String::from_utf8(read_limited::read(path, MAX)?).about(path.display())?;
    text.parse().map_err(|error: Error| error.on(path.display()))
}

/// Adds an entry to the file, which is there afterwards with it or as it was: whoever reads it meanwhile sees all of the old
/// or of the new list.
fn append(path: &Path, entry: Entry) -> Result<Added> {
    // Through a link to the file that it means.
    let path = &path.canonicalize().or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(path.to_owned()),
        _ => Err(error).about(path.display()),
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two builds that end at the same time must not lose each other's entry. The file itself is replaced, so the lock is
    // its folder's.
    let lock = File::open(folder).about(folder.display())?;
    lock.lock().about_hint(folder.display(), "cannot be locked")?;
    let old = fs::metadata(path);
    let (mut list, mode) = match &old {
        Ok(meta) => (read(path)?, meta.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => (AllowList::default(), Permissions::from_mode(0o666)),
        Err(error) => return Err(Error::new(path.display(), error)),
    };
    let added = list.add(entry);
    if added == Added::Known {
        return Ok(added);
    }
    let mut file = tempfile::Builder::new().permissions(mode.clone()).tempfile_in(folder).about(folder.display())?;
    if old.is_ok() {
        // The umask took bits away that the old file may have.
        file.as_file().set_permissions(mode).about(file.path().display())?;
    }
    file.write_all(list.to_json()?.as_bytes()).about(file.path().display())?;
    file.as_file().sync_all().about(file.path().display())?;
    file.persist(path).about(path.display())?;
    lock.sync_all().about(folder.display())?;
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::{Digests, digests_of};
    use crate::measure::pcr::PcrIndex;

    fn entry(text: &str) -> Entry {
        let digests = digests_of(&[Bank::Sha256], text.as_bytes());
        Entry { name: text.to_owned(), pcr: PcrIndex::DEFAULT, digests, before: Digests::new(), until: None }
    }

    #[test]
    fn builds_that_end_together_lose_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        std::thread::scope(|scope| {
            for build in 0..16 {
                let path = &path;
                scope.spawn(move || append(path, entry(&format!("{}", build / 2))).unwrap());
            }
        });
        let mut names: Vec<_> = read(&path).unwrap().entries.into_iter().map(|entry| entry.name).collect();
        names.sort();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    }

    #[test]
    fn a_list_keeps_its_permissions_and_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("allow"), folder.path().join("link"));
        append(&path, entry("one")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o662)).unwrap();
        std::os::unix::fs::symlink("allow", &link).unwrap();
        append(&link, entry("two")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o662);
        assert_eq!(read(&path).unwrap().entries, [entry("one"), entry("two")]);
    }

    #[test]
    fn what_is_no_list_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        fs::write(&path, "not a list").unwrap();
        assert!(append(&path, entry("one")).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"not a list");
    }
}
