//! The hand-over: from the initramfs to the union.

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
use crate::sys::mounts::{Mount, kernel_filesystems};

/// What the kernel itself tries without `init=` (init/main.c), less the shell: a machine that lacks its init shall stop.
pub const INITS: [&str; 3] = ["/sbin/init", "/etc/init", "/bin/init"];

/// `RAMFS_MAGIC` (kernel, include/uapi/linux/magic.h), which nix does not name.
const RAMFS_MAGIC: u32 = 0x8584_58f6;

/// The new init in `root`, looked up before anything is given up: a missing one shall fail while we can still say so.
///
/// # Errors
/// When there is none that could be run.
pub fn find_init(root: &Path, wanted: Option<&str>) -> Result<String> {
    let candidates: &[&str] = wanted.as_ref().map_or(&INITS, std::slice::from_ref);
    let folder = File::open(root).about(root.display())?;
    let mut last = Error::new(root.display(), "has no init");
    for init in candidates {
        match runnable(&folder, init) {
            Ok(()) => return Ok((*init).to_owned()),
            Err(error) => last = error,
        }
    }
    Err(last.hint("init= names the program in the root image that is started first"))
}

fn runnable(root: &File, init: &str) -> Result<()> {
    // Its links are meant for the new root: /sbin/init is one to /lib/systemd/systemd.
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let mode = fstat(openat2(root, init, how).about(init)?).about(init)?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFREG || mode & 0o111 == 0 {
        return Err(Error::new(init, "not a program"));
    }
    Ok(())
}

/// The moves that carry the kernel's file systems over.
#[must_use]
pub fn moves(root: &str) -> Vec<Mount> {
    kernel_filesystems().iter().map(|mount| Mount::moving(&mount.target, &format!("{root}{}", mount.target))).collect()
}

/// Moves the kernel's file systems into `root`.
///
/// # Errors
/// When a folder is missing there or is a link, which would lead the move astray.
pub fn move_mounts(root: &str) -> Result<()> {
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

/// Deletes the initramfs' files, which frees their memory, and makes `root` the root. The report is what only a finished
/// measurement gives (or the one way to do without): there is no other way in.
///
/// # Errors
/// When we do not run from an initramfs, or a call fails.
pub fn enter(root: &str, _: &Report) -> Result<()> {
    let kind = statfs("/").about("/")?.filesystem_type();
    if kind != TMPFS_MAGIC && kind != FsType(RAMFS_MAGIC.into()) {
        return Err(Error::new("/", "not an initramfs").hint("its files would be deleted; start it as /init of one"));
    }
    std::env::set_current_dir(root).about(root)?;
    let device = fs::metadata("/").about("/")?.dev();
    delete_below(Path::new("/"), device);
    Mount::moving(".", "/").apply()?;
    nix::unistd::chroot(".").about("chroot .")?;
    std::env::set_current_dir("/").about("/")
}

/// A file that stays costs memory and nothing else, so this goes on. Nobody else runs who could change a path meanwhile.
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
            log::debug!("{}: stays in memory: {error}", path.display());
        }
    }
}

/// Becomes the new init, with the arguments and the environment that the kernel gave.
///
/// # Errors
/// Always: it does not return otherwise.
pub fn exec(init: &str, arguments: &[CString], environment: &[CString]) -> Result<Infallible> {
    let path = CString::new(init).about(init)?;
    let mut argv = vec![path.clone()];
    argv.extend_from_slice(arguments);
    nix::unistd::execve(&path, &argv, environment)
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
        // Links that climb stay inside, and a link to a program outside names nothing.
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
