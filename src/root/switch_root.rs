//! Switching root: from the initramfs to the overlay.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::error::{Context, Error, Result};
use crate::measure::measurement::Report;
use crate::root::init_arguments::InitArguments;
use crate::root::program;
use crate::say;
use crate::sys::mounts::{self, Mount, kernel_filesystems};

/// The programs that the kernel itself tries without `init=` (init/main.c), without the shell: if the image has no init, the
/// machine must stop.
pub(crate) const INITS: [&str; 3] = ["/sbin/init", "/etc/init", "/bin/init"];

/// `RAMFS_MAGIC` (kernel, include/uapi/linux/magic.h), which nix does not name.
const RAMFS_MAGIC: u32 = 0x8584_58f6;

/// Finds the new init in `root`: `named`, else the first of [`INITS`]. This happens before the initramfs is deleted, so that the
/// error can still be reported.
///
/// # Errors
/// When no such program can be run.
pub(crate) fn find_init(root: &Path, named: Option<&str>) -> Result<String> {
    let folder = File::open(root).about(root.display())?;
    let candidates: &[&str] = named.as_ref().map_or(&INITS, std::slice::from_ref);
    let mut wrong = None;
    for init in candidates {
        match program::check(&folder, init) {
            Ok(()) => return Ok((*init).to_owned()),
            // The first one that is there is the one that was meant.
            Err(error) => wrong = wrong.or(error),
        }
    }
    let missing = || match named {
        Some(init) => Error::new(init, "is not in the root image"),
        None => Error::new(INITS[0], "is not in the root image, and neither are /etc/init and /bin/init"),
    };
    Err(wrong.unwrap_or_else(missing).hint_if_none("init= names the first program to start in the root image"))
}

/// The mounts that move the kernel's file systems to `root`.
#[must_use]
pub(crate) fn moves(root: &str) -> Vec<Mount> {
    kernel_filesystems().iter().map(|mount| Mount::moving(&mount.target, &format!("{root}{}", mount.target))).collect()
}

/// Moves the kernel's file systems into `root`. All are checked before the first one moves.
///
/// # Errors
/// When `root` lacks one of the folders, or has a link in its place: the move would follow the link.
pub(crate) fn move_mounts(root: &str) -> Result<()> {
    let moves = moves(root);
    moves.iter().try_for_each(|mount| check_folder(&mount.target, &mount.source))?;
    // Another program may have run as PID 1 before, and made the mounts shared: the kernel does not move those
    // (fs/namespace.c, `do_move_mount`). The kernel starts with private ones.
    mounts::make_private("/")?;
    moves.iter().try_for_each(Mount::apply)
}

/// Checks the folder `target` of the root image, which is `name` there.
fn check_folder(target: &str, name: &str) -> Result<()> {
    let object = format!("{name} of the root image");
    let cause = match fs::symlink_metadata(target) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(meta) if meta.is_symlink() => "is a link, not a folder".to_owned(),
        Ok(_) => "is a file, not a folder".to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => "is missing".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::new(object, cause).hint("the root image needs the folders /dev, /proc, /sys and /run"))
}

/// Checks that / is an initramfs.
///
/// # Errors
/// When it is not: its files would be deleted.
pub(crate) fn check_initramfs() -> Result<()> {
    let kind = statfs("/").about("/")?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != FsType(RAMFS_MAGIC.into()) {
        return Err(Error::new("/", "not an initramfs")
            .hint("the files of / would be deleted; run this as /init of an initramfs"));
    }
    Ok(())
}

/// Deletes the initramfs' files, which frees their memory, and makes `root` the root. It requires a [`Report`]: only a finished
/// measurement gives one, or `measureroot=off`.
///
/// # Errors
/// When the program does not run from an initramfs, or when a call fails.
pub(crate) fn enter(root: &str, _: &Report) -> Result<()> {
    check_initramfs()?;
    std::env::set_current_dir(root).about(root)?;
    let device = fs::metadata("/").about("/")?.dev();
    delete_below(Path::new("/"), device);
    Mount::moving(".", "/").apply()?;
    nix::unistd::chroot(".").about("chroot .")?;
    std::env::set_current_dir("/").about("/")
}

/// Goes on if a file cannot be deleted: that costs memory and nothing else. No other process runs that could change a path
/// meanwhile.
fn delete_below(folder: &Path, device: u64) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let deleted = match (meta.dev() == device, meta.is_dir()) {
            (false, _) => continue,
            (true, true) => {
                delete_below(&path, device);
                fs::remove_dir(&path)
            }
            (true, false) => fs::remove_file(&path),
        };
        if let Err(error) = deleted {
            say::debug!("{}: not deleted, stays in memory: {error}", path.display());
        }
    }
}

/// Replaces this process with the new init.
///
/// # Errors
/// It returns only if the exec fails.
pub(crate) fn exec(init: &str, for_init: &InitArguments) -> Result<Infallible> {
    let path = CString::new(init).about(init)?;
    let mut argv = vec![path.clone()];
    argv.extend_from_slice(&for_init.arguments);
    nix::unistd::execve(&path, &argv, &for_init.environment)
        .about_hint(init, "is it a program for this machine, and are its interpreter and libraries in the image?")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_init_is_looked_up_in_the_new_root() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let find = |named| find_init(root.path(), named).map_err(|error| error.to_string());
        fs::create_dir_all(path("lib")).unwrap();
        fs::create_dir_all(path("sbin")).unwrap();
        assert!(find(None).unwrap_err().starts_with("/sbin/init: is not in the root image, and neither are"));
        assert!(find(Some("/x")).unwrap_err().starts_with("/x: is not in the root image (init="));
        symlink("/lib/real", path("sbin/init")).unwrap();
        assert!(find(None).unwrap_err().starts_with("/sbin/init: is a link to /lib/real, which leads nowhere"));
        // A static program of 32 bits, as far as it is looked at.
        fs::write(path("lib/real"), b"\x7fELF\x01\x01").unwrap();
        assert!(find(None).unwrap_err().starts_with("/sbin/init: is not executable"));
        fs::set_permissions(path("lib/real"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(None).unwrap(), "/sbin/init");
        assert_eq!(find(Some("/lib/real")).unwrap(), "/lib/real");
        // A link with `..` stays inside the root, and a link to a program outside finds nothing.
        symlink("../../../../lib/real", path("climber")).unwrap();
        symlink(std::env::current_exe().unwrap(), path("outside")).unwrap();
        assert!(find(Some("/climber")).is_ok());
        assert!(find(Some("/outside")).is_err());
        assert!(find(Some("/lib")).unwrap_err().starts_with("/lib: is a folder"));
        // A program that cannot be started is passed over, as by the kernel.
        fs::remove_file(path("sbin/init")).unwrap();
        fs::create_dir_all(path("sbin/init")).unwrap();
        fs::create_dir_all(path("bin")).unwrap();
        symlink("/lib/real", path("bin/init")).unwrap();
        assert_eq!(find(None).unwrap(), "/bin/init");
    }

    #[test]
    fn each_folder_is_checked_before_the_first_mount_moves() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let moved = || move_mounts(root.path().to_str().unwrap()).unwrap_err().to_string();
        for folder in ["dev", "proc", "sys"] {
            fs::create_dir(path(folder)).unwrap();
        }
        assert!(moved().starts_with("/run of the root image: is missing"));
        symlink("/tmp", path("run")).unwrap();
        assert!(moved().starts_with("/run of the root image: is a link"));
        fs::remove_file(path("run")).unwrap();
        fs::write(path("run"), "").unwrap();
        assert!(moved().starts_with("/run of the root image: is a file"));
    }

    #[test]
    fn deleting_stays_on_its_own_file_system() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/file"), "").unwrap();
        symlink("/", folder.path().join("a/link")).unwrap();
        let device = fs::metadata(folder.path()).unwrap().dev();
        delete_below(folder.path(), device + 1);
        assert!(folder.path().join("a/file").exists());
        delete_below(folder.path(), device);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(Path::new("/").exists());
    }
}
