//! The file of a list of trusted images.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::read_limited;
use crate::error::{Context, Error, Result};
use crate::evidence::allow_list::{Added, AllowList};
use crate::evidence::trusted_image::TrustedImage;

/// The limit for a list in bytes: 64 MiB, room for about 130,000 entries of 500 bytes each.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a list.
pub(super) fn read(path: &Path) -> Result<AllowList> {
    let text = String::from_utf8(read_limited::read(path, MAX_BYTES)?).about(path.display())?;
    text.parse().map_err(|error: Error| error.on(path.display()))
}

/// Adds an image to the file, which need not exist yet. The file is replaced as a whole: a reader sees the old list or the
/// new one, and if an error occurs, the old one stays.
pub(super) fn append(path: &Path, image: TrustedImage) -> Result<Added> {
    // A symbolic link stays, and the file that it names is replaced.
    let path = &path.canonicalize().or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(path.to_owned()),
        _ => Err(error).about(path.display()),
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without a lock, one of two builds that end at the same time would lose its entry. The lock is on the folder, because
    // the file itself is replaced.
    let lock = File::open(folder).about(folder.display())?;
    let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error));
    let lock = lock.about_hint(folder.display(), "cannot be locked")?;
    let old = fs::metadata(path);
    let (mut list, mode) = match &old {
        Ok(meta) => (read(path)?, meta.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => (AllowList::default(), Permissions::from_mode(0o666)),
        Err(error) => return Err(Error::new(path.display(), error)),
    };
    let added = list.add(image);
    if added == Added::Known {
        return Ok(added);
    }
    let mut file = tempfile::Builder::new().permissions(mode.clone()).tempfile_in(folder).about(folder.display())?;
    if old.is_ok() {
        // The umask may have cleared bits that the old file has.
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

    fn image(text: &str) -> TrustedImage {
        let digests = digests_of(&[Bank::Sha256], text.as_bytes());
        TrustedImage { name: text.to_owned(), pcr: PcrIndex::DEFAULT, digests, before: Digests::new(), expiry: None }
    }

    #[test]
    fn builds_that_end_at_the_same_time_lose_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        std::thread::scope(|scope| {
            for build in 0..16 {
                let path = &path;
                scope.spawn(move || append(path, image(&format!("{}", build / 2))).unwrap());
            }
        });
        let mut names: Vec<_> = read(&path).unwrap().images.into_iter().map(|image| image.name).collect();
        names.sort();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn an_append_keeps_the_permissions_and_the_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("allow"), folder.path().join("link"));
        append(&path, image("one")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o662)).unwrap();
        std::os::unix::fs::symlink("allow", &link).unwrap();
        append(&link, image("two")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o662);
        assert_eq!(read(&path).unwrap().images, [image("one"), image("two")]);
    }

    #[test]
    fn a_file_that_is_not_a_list_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        fs::write(&path, "not a list").unwrap();
        assert!(append(&path, image("one")).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"not a list");
    }
}
