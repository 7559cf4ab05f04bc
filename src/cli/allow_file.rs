//! The file of a list of trusted images.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::read_limited;
use crate::error::{Context, Error, Result};
use crate::evidence::allow_list::{Added, AllowList};
use crate::evidence::trusted_image::TrustedImage;

/// The limit for a list in bytes: 64 MiB, room for about 130,000 entries of 500 bytes each.
const MAX_BYTES: u64 = 64 << 20;

/// How long to wait for another build, which holds the lock while it writes the list: longer than any disk needs for that.
const MOST_WAIT: Duration = Duration::from_secs(60);

/// Reads a list.
pub(super) fn read(path: &Path) -> Result<AllowList> {
    let text = String::from_utf8(read_limited::read(path, MAX_BYTES)?).about(path.display())?;
    text.parse().map_err(|error: Error| error.on(path.display()))
}

/// Adds an image to the file, which need not exist yet, as [`AllowList::add`] does. The file is replaced as a whole: a
/// reader sees the old list or the new one, and if an error occurs, the old one stays.
pub(super) fn append(path: &Path, image: &TrustedImage, named: bool) -> Result<(Added, TrustedImage)> {
    // A symbolic link stays, and the file that it names is replaced.
    let path = &path.canonicalize().or_else(|error| match error.kind() {
        ErrorKind::NotFound => Ok(path.to_owned()),
        _ => Err(error).about(path.display()),
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without a lock, one of two builds that end at the same time would lose its entry. The lock is on the folder, because
    // the file itself is replaced.
    let lock = locked(folder, MOST_WAIT)?;
    let old = fs::metadata(path);
    let (mut list, mode) = match &old {
        Ok(meta) => (read(path)?, meta.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => (AllowList::default(), Permissions::from_mode(0o666)),
        Err(error) => return Err(Error::new(path.display(), error)),
    };
    let added = list.add(image, named);
    if added.0 == Added::Known {
        return Ok(added);
    }
    let mut file = tempfile::Builder::new().permissions(mode.clone()).tempfile_in(folder).about(folder.display())?;
    if let Ok(old) = &old {
        keep_owner(file.as_file(), old, path)?;
        // The umask may have cleared bits that the old file has, and chown(2) clears some.
        file.as_file().set_permissions(mode).about(file.path().display())?;
    }
    file.write_all(list.to_json()?.as_bytes()).about(file.path().display())?;
    file.as_file().sync_all().about(file.path().display())?;
    file.persist(path).about(path.display())?;
    lock.sync_all().about(folder.display())?;
    Ok(added)
}

/// Locks the folder. If another program has the lock, says so and waits for it, but not for ever.
fn locked(folder: &Path, most: Duration) -> Result<Flock<File>> {
    let name = &folder.display();
    let (mut file, start) = (File::open(folder).about(name)?, Instant::now());
    let mut said = false;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, error)) => return Err(Error::new(name, error).hint("cannot be locked")),
        };
        if start.elapsed() >= most {
            let cause = format!("another program has held its lock for {} s", most.as_secs());
            return Err(Error::new(name, cause).hint("lslocks(8) names the program: does a build hang?"));
        }
        if !said {
            log::info!("{name}: another program holds the lock; waiting for at most {} s", most.as_secs());
            said = true;
        }
        sleep(Duration::from_millis(20));
    }
}

/// Gives the new file the owner and the group of the old one. With another group, its readers could lose it; another owner
/// is only said, because only root can give a file away.
fn keep_owner(file: &File, old: &Metadata, path: &Path) -> Result<()> {
    let new = file.metadata().about(path.display())?;
    if new.gid() != old.gid() {
        fchown(file, None, Some(old.gid())).about_hint(
            path.display(),
            format!("cannot keep its group {}: run as a member of it, or as root", old.gid()),
        )?;
    }
    if new.uid() != old.uid() && fchown(file, Some(old.uid()), None).is_err() {
        log::warn!("{}: belonged to user {}, and now to user {}", path.display(), old.uid(), new.uid());
    }
    Ok(())
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
                scope.spawn(move || append(path, &image(&format!("{}", build / 2)), true).unwrap());
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
        append(&path, &image("one"), true).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o662)).unwrap();
        std::os::unix::fs::symlink("allow", &link).unwrap();
        append(&link, &image("two"), true).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o662);
        assert_eq!(read(&path).unwrap().images, [image("one"), image("two")]);
    }

    #[test]
    fn an_append_keeps_the_owner_and_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        append(&path, &image("one"), true).unwrap();
        let chowned = std::os::unix::fs::chown(&path, Some(1234), Some(5678));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = fs::metadata(&path).unwrap();
        append(&path, &image("two"), true).unwrap();
        let new = fs::metadata(&path).unwrap();
        let of = |meta: &Metadata| (meta.uid(), meta.gid(), meta.permissions().mode());
        // Only root can give a file away.
        assert!(of(&new) == of(&old) && (chowned.is_err() || new.uid() == 1234), "{new:?}");
    }

    #[test]
    fn the_wait_for_the_lock_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let held = locked(folder.path(), MOST_WAIT).unwrap();
        let error = locked(folder.path(), Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("another program has held its lock"), "{error}");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| locked(folder.path(), MOST_WAIT).map(drop));
            sleep(Duration::from_millis(50));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_file_that_is_not_a_list_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        fs::write(&path, "not a list").unwrap();
        assert!(append(&path, &image("one"), true).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"not a list");
    }
}
