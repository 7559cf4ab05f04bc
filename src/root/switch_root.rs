//! Switching root: from the initramfs to the overlay.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::error::{Context, Error, Result};
use crate::measure::measurement::Report;
use crate::root::init_arguments::InitArguments;
use crate::sys::mounts::{Mount, kernel_filesystems};

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
    let candidates: &[&str] = named.as_ref().map_or(&INITS, std::slice::from_ref);
    let folder = File::open(root).about(root.display())?;
    let mut last = Error::new(root.display(), "has no init");
    for init in candidates {
        match check_program(&folder, init) {
            Ok(()) => return Ok((*init).to_owned()),
            Err(error) => last = error,
        }
    }
    Err(last.hint("init= names the first program to start in the root image"))
}

/// Checks that `init` is an executable file.
fn check_program(root: &File, init: &str) -> Result<()> {
    // Links are resolved in the new root: /sbin/init can be a link to /lib/systemd/systemd.
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let mode = fstat(openat2(root, init, how).about(init)?).about(init)?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFREG || mode & 0o111 == 0 {
        return Err(Error::new(init, "not a program"));
    }
    Ok(())
}

/// The mounts that move the kernel's file systems to `root`.
#[must_use]
pub(crate) fn moves(root: &str) -> Vec<Mount> {
    kernel_filesystems().iter().map(|mount| Mount::moving(&mount.target, &format!("{root}{}", mount.target))).collect()
}

/// Moves the kernel's file systems into `root`.
///
/// # Errors
/// When `root` lacks one of the folders, or has a link in its place: the move would follow the link.
pub(crate) fn move_mounts(root: &str) -> Result<()> {
    for mount in moves(root) {
        let target = fs::symlink_metadata(&mount.target).about(&mount.target)?;
        if !target.is_dir() {
            return Err(
                Error::new(&mount.target, "not a folder").hint("the root image needs /dev, /proc, /sys and /run")
            );
        }
        mount.apply()?;
    }
    Ok(())
}

/// Deletes the initramfs' files, which frees their memory, and makes `root` the root. It requires a [`Report`]: only a finished
/// measurement gives one, or `measureroot=off`.
///
/// # Errors
/// When the program does not run from an initramfs, or when a call fails.
pub(crate) fn enter(root: &str, _: &Report) -> Result<()> {
    let kind = statfs("/").about("/")?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != FsType(RAMFS_MAGIC.into()) {
        return Err(Error::new("/", "not an initramfs")
            .hint("the files of / would be deleted; run this as /init of an initramfs"));
    }
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
            log::debug!("{}: not deleted, stays in memory: {error}", path.display());
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
        fs::create_dir_all(path("lib")).unwrap();
        fs::create_dir_all(path("sbin")).unwrap();
        assert!(find_init(root.path(), None).is_err());
        fs::write(path("lib/real"), "").unwrap();
        symlink("/lib/real", path("sbin/init")).unwrap();
        assert!(find_init(root.path(), None).unwrap_err().to_string().contains("/bin/init"));
        assert!(find_init(root.path(), Some("/sbin/init")).unwrap_err().to_string().contains("not a program"));
        fs::set_permissions(path("lib/real"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find_init(root.path(), None).unwrap(), "/sbin/init");
        assert_eq!(find_init(root.path(), Some("/lib/real")).unwrap(), "/lib/real");
        // A link with `..` stays inside the root, and a link to a program outside finds nothing.
        symlink("../../../../lib/real", path("climber")).unwrap();
        symlink(std::env::current_exe().unwrap(), path("outside")).unwrap();
        assert!(find_init(root.path(), Some("/climber")).is_ok());
        assert!(find_init(root.path(), Some("/outside")).is_err());
        assert!(find_init(root.path(), Some("/lib")).is_err());
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
