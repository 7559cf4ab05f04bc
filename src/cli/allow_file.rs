//! The file of a list of trusted images.

use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::O_DIRECTORY;

use super::input_file::Kinds;
use super::read_limited;
use super::replaced_file::ReplacedFile;
use crate::error::{Context, Error, Result};
use crate::evidence::allow_list::{Added, AllowList};
use crate::evidence::signer_key::SignerKey;
use crate::evidence::trusted_image::TrustedImage;

/// The limit for a list in bytes: 64 MiB, room for about 130,000 entries of 500 bytes each.
const MAX_BYTES: u64 = 64 << 20;

/// How long to wait for another build, which holds the lock while it writes the list: longer than any disk needs for that.
const MOST_WAIT: Duration = Duration::from_secs(60);

/// Reads a list: with a key, one that this key signed, and without one, one that is not signed.
pub(super) fn read(path: &Path, key: Option<&SignerKey>) -> Result<AllowList> {
    let Some(key) = key else { return parse(path, Kinds::Stream) };
    let list = AllowList::of_signed(&text(path, Kinds::Stream)?, key);
    list.map_err(|error| error.on(path.display()))
}

fn parse(path: &Path, kinds: Kinds) -> Result<AllowList> {
    text(path, kinds)?.parse().map_err(|error: Error| error.on(path.display()))
}

fn text(path: &Path, kinds: Kinds) -> Result<String> {
    let text = String::from_utf8(read_limited::read(path, MAX_BYTES, kinds)?).map_err(|_| {
        Error::new(path.display(), "is no list of trusted images: it is not text")
            .hint("expected the JSON file that predict --allow-entry writes")
    })?;
    // Some editors put a byte order mark in front, which a reader of JSON may pass over (RFC 8259, section 8.1).
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

/// Checks that an image can be added to the list: that it is a list or a place for one, and that it can be locked and written.
/// `predict` does this before it reads the image, which takes long.
pub(super) fn check(path: &Path) -> Result<()> {
    let file = ReplacedFile::at(path)?;
    let new = file.check_writable()?;
    // That another program has the lock for the moment is no error.
    drop(lock(open_folder(&file.folder)?, &file.folder)?);
    if let Some(old) = &file.old {
        parse(path, Kinds::File)?;
        keep_group(&new, old, &file.name)?;
    }
    Ok(())
}

/// Adds images to the file, which need not exist yet, as [`AllowList::add`] does. The file is replaced as a whole: a
/// reader sees the old list or the new one, and if an error occurs, the old one stays. `publish` gets the list as it will be,
/// while no other program can change it, and before it is written.
pub(super) fn append(
    path: &Path,
    images: &[TrustedImage],
    named: bool,
    publish: impl FnOnce(&AllowList) -> Result<()>,
) -> Result<Vec<(Added, TrustedImage)>> {
    let folder = ReplacedFile::at(path)?.folder;
    // Without a lock, one of two builds that end at the same time would lose its entry. The lock is on the folder, because
    // the file itself is replaced.
    let lock = locked(&folder, MOST_WAIT)?;
    let file = ReplacedFile::at(path)?;
    let (mut list, mode) = match &file.old {
        Some(old) => (parse(path, Kinds::File)?, old.permissions()),
        None => (AllowList::default(), Permissions::from_mode(0o666)),
    };
    let added: Vec<_> = images.iter().map(|image| list.add(image, named)).collect();
    publish(&list)?;
    for (image, (_, entry)) in images.iter().zip(&added) {
        tell_others(path, &list, image, entry);
    }
    if added.iter().all(|(added, _)| *added == Added::Known) {
        return Ok(added);
    }
    file.replace(list.to_json()?.as_bytes(), mode.clone(), |new| {
        let Some(old) = &file.old else { return Ok(()) };
        keep_group(new, old, &file.name)?;
        keep_owner(new, old, &file.name)?;
        // The umask may have cleared bits that the old file has, and chown(2) clears some.
        new.set_permissions(mode).about(&file.name)
    })?;
    lock.sync_all().about(folder.display())?;
    Ok(added)
}

fn open_folder(folder: &Path) -> Result<File> {
    // Only a folder: the open of a pipe with its name would wait.
    let opened = File::options().read(true).custom_flags(O_DIRECTORY).open(folder);
    opened
        .about_hint(folder.display(), "it must be readable: the folder of the list is locked while the list is written")
}

/// Locks the folder. If another program has the lock, says so and waits for it, but not for ever.
fn locked(folder: &Path, most: Duration) -> Result<Flock<File>> {
    let name = &folder.display();
    let (mut file, start) = (open_folder(folder)?, Instant::now());
    let mut said = false;
    loop {
        file = match lock(file, folder)? {
            Ok(lock) => return Ok(lock),
            Err(file) => file,
        };
        if start.elapsed() >= most {
            let cause =
                format!("another program has held the lock for {} s that writing a list in it takes", most.as_secs());
            return Err(Error::new(name, cause).hint("lslocks(8) names the program: does a build hang?"));
        }
        if !said {
            log::info!(
                "{name}: another program holds the lock that writing a list in it takes; waiting for at most {} s",
                most.as_secs()
            );
            said = true;
        }
        sleep(Duration::from_millis(20));
    }
}

/// Locks the open folder without waiting. Gives it back if another program has the lock.
fn lock(folder: File, name: &Path) -> Result<std::result::Result<Flock<File>, File>> {
    match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(lock)),
        Err((folder, Errno::EWOULDBLOCK)) => Ok(Err(folder)),
        Err((_, error)) => Err(Error::new(name.display(), error).hint("cannot be locked")),
    }
}

/// Gives the new file the group of the old one: with another group, its readers could lose it.
fn keep_group(new: &File, old: &Metadata, name: &str) -> Result<()> {
    if new.metadata().about(name)?.gid() == old.gid() {
        return Ok(());
    }
    let hint = format!("cannot keep its group {}: run as a member of it, or as root", old.gid());
    fchown(new, None, Some(old.gid())).about_hint(name, hint)
}

/// Gives the new file the owner of the old one. That another one owns it is only said, because only root can give a file away.
fn keep_owner(new: &File, old: &Metadata, name: &str) -> Result<()> {
    let uid = new.metadata().about(name)?.uid();
    if uid != old.uid() && fchown(new, Some(old.uid()), None).is_err() {
        log::warn!("{name}: belonged to user {}, and now to user {uid}", old.uid());
    }
    Ok(())
}

/// Says which entries got the end that was stated for their image. They are for another PCR, or another value before.
fn tell_others(path: &Path, list: &AllowList, stated: &TrustedImage, entry: &TrustedImage) {
    let Some(until) = &stated.expiry else { return };
    for other in list.others_of(entry) {
        let (path, name, pcr) = (path.display(), &other.name, other.pcr);
        log::info!("{path}: {name}, whose entry for PCR {pcr} is about the same image, is trusted until {until}, too");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::{Digests, digests_of};
    use crate::measure::pcr::PcrIndex;

    fn image(text: &str) -> TrustedImage {
        let digests = digests_of(&[Bank::Sha256], text.as_bytes());
        TrustedImage {
            name: text.to_owned(),
            pcr: PcrIndex::DEFAULT,
            digests,
            before: Digests::new(),
            expiry: None,
            chain: None,
            others: Digests::new(),
        }
    }

    /// Adds an image.
    fn add(path: &Path, text: &str) -> Result<Vec<(Added, TrustedImage)>> {
        append(path, &[image(text)], true, |_| Ok(()))
    }

    #[test]
    fn builds_that_end_at_the_same_time_publish_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        let published = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for build in 0..8 {
                let (path, published) = (&path, &published);
                scope.spawn(move || {
                    let publish = |list: &AllowList| {
                        published.lock().unwrap().push(list.images.len());
                        Ok(())
                    };
                    append(path, &[image(&format!("{build}"))], true, publish).unwrap();
                });
            }
        });
        // Each build publishes the images of all builds before it, in the order in which they write.
        assert_eq!(published.into_inner().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
        let failed = append(&path, &[image("unpublished")], true, |_| Err(Error::new("standard output", "is closed")));
        assert!(failed.is_err() && read(&path, None).unwrap().images.len() == 8, "nobody got it");
    }

    #[test]
    fn builds_that_end_at_the_same_time_lose_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        std::thread::scope(|scope| {
            for build in 0..16 {
                let path = &path;
                scope.spawn(move || add(path, &format!("{}", build / 2)).unwrap());
            }
        });
        let mut names: Vec<_> = read(&path, None).unwrap().images.into_iter().map(|image| image.name).collect();
        names.sort();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn an_append_keeps_the_permissions_and_the_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("allow"), folder.path().join("link"));
        add(&path, "one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o662)).unwrap();
        std::os::unix::fs::symlink("allow", &link).unwrap();
        add(&link, "two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o662);
        assert_eq!(read(&path, None).unwrap().images, [image("one"), image("two")]);
    }

    #[test]
    fn an_append_keeps_the_owner_and_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow");
        add(&path, "one").unwrap();
        let chowned = std::os::unix::fs::chown(&path, Some(1234), Some(5678));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let old = fs::metadata(&path).unwrap();
        add(&path, "two").unwrap();
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
        assert!(error.contains("another program has held the lock for 0 s"), "{error}");
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
        assert!(add(&path, "one").is_err() && check(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"not a list");
    }

    #[test]
    fn a_list_that_could_not_be_written_is_found_before_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        for (name, cause) in [
            ("", "is a folder"),
            ("none/list", "No such file or directory"),
            ("dangling", "is a symbolic link to nowhere"),
            ("/dev/full", "is a device"),
            ("/proc/list", "cannot be written in /proc: "),
        ] {
            let error = check(&path(name)).unwrap_err().to_string();
            assert!(error.contains(cause), "{name}: {error}");
            assert!(add(&path(name), "one").is_err(), "{name}");
        }
        check(&path("list")).unwrap();
        // Another program may hold the lock for the moment.
        let _held = locked(folder.path(), MOST_WAIT).unwrap();
        check(&path("list")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the link");
    }
}
