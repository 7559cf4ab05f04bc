//! The attributes of the root folder. The top folder of the upper layer hides that of the image, so it gets all attributes of
//! the image's: owner, mode, access control lists, the label of SELinux, other extended attributes, and the times.

use std::ffi::CStr;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::errno::Errno;

use crate::error::{Context, Error, Result};
use crate::say;
use crate::sys::xattr;

/// The most bytes of all values together. The kernel allows 64 KiB for each (xattr(7)), so a folder with many of them would fill
/// the memory.
const MOST: usize = 256 << 10;

/// Gives the folder `to` all attributes of the folder `from`.
///
/// # Errors
/// When an attribute cannot be read, or when one that decides about access cannot be set.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let top = fs::metadata(from).about(from.display())?;
    chown(to, Some(top.uid()), Some(top.gid())).about(to.display())?;
    fs::set_permissions(to, fs::Permissions::from_mode(top.mode() & 0o7777)).about(to.display())?;
    copy_extended(from, to)
}

/// Gives the folder `to` the times of the folder `from`. This is the last change to it: each new entry changes its time.
///
/// # Errors
/// When they cannot be read or set.
pub(super) fn copy_times(from: &Path, to: &Path) -> Result<()> {
    let top = fs::metadata(from).about(from.display())?;
    let times = FileTimes::new().set_accessed(top.accessed().about(from.display())?);
    let times = times.set_modified(top.modified().about(from.display())?);
    File::open(to).and_then(|folder| folder.set_times(times)).about(to.display())
}

fn copy_extended(from: &Path, to: &Path) -> Result<()> {
    let names = match xattr::list(from) {
        // The image's file system stores none, or the kernel does not read them.
        Err(Errno::EOPNOTSUPP) => return Ok(()),
        names => names.about(from.display())?,
    };
    let mut bytes = 0;
    for name in names.iter().filter(|name| is_copied(name)) {
        let shown = || format!("{} of {}", name.to_string_lossy().escape_default(), from.display());
        let value = xattr::get(from, name).about(shown())?;
        bytes += value.len();
        if bytes > MOST {
            return Err(Error::new(
                from.display(),
                format_args!("its extended attributes have more than {MOST} bytes"),
            )
            .hint("remove them from the top folder of the image"));
        }
        match xattr::set(to, name, &value) {
            Err(Errno::EOPNOTSUPP) if !decides_access(name) => {
                say::info!("{}: not kept, tmpfs does not store it on this kernel", shown());
            }
            set => set.about_hint(shown(), "is CONFIG_TMPFS_XATTR set, and CONFIG_TMPFS_POSIX_ACL?")?,
        }
    }
    Ok(())
}

/// overlayfs's own attributes describe a layer, and the kernel makes EVM's anew (fs/overlayfs/copy_up.c, `ovl_copy_xattr`;
/// security/integrity/evm/evm_main.c, `evm_inode_copy_up_xattr`).
fn is_copied(name: &CStr) -> bool {
    let name = name.to_bytes();
    !name.starts_with(b"trusted.overlay.") && name != b"security.evm"
}

/// Whether a folder without this attribute could be opened by others: an error, as when the kernel copies a file up
/// (fs/overlayfs/copy_up.c, `ovl_must_copy_xattr`). tmpfs stores `user.*` since Linux 6.6.
fn decides_access(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"security.") || name.starts_with(b"system.posix_acl_")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// Two folders beside this program. /tmp can be a tmpfs, which stores no `user.*` on older kernels.
    fn folders() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for path in [&from, &to] {
            fs::create_dir(path).unwrap();
        }
        (folder, from, to)
    }

    #[test]
    fn a_folder_gets_mode_extended_attributes_and_times() {
        let (_folder, from, to) = folders();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o1711)).unwrap();
        xattr::set(&from, c"user.one", b"1").unwrap();
        xattr::set(&from, c"user.two", &[0; 999]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::open(&from).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        copy(&from, &to).unwrap();
        copy_times(&from, &to).unwrap();
        let made = fs::metadata(&to).unwrap();
        assert_eq!((made.mode() & 0o7777, made.modified().unwrap()), (0o1711, time));
        assert_eq!(xattr::get(&to, c"user.one").unwrap(), b"1");
        assert_eq!(xattr::get(&to, c"user.two").unwrap(), [0; 999]);
    }

    #[test]
    fn only_what_belongs_to_a_layer_is_left_out() {
        for (name, copied, needed) in [
            (c"security.selinux", true, true),
            (c"system.posix_acl_access", true, true),
            (c"user.note", true, false),
            (c"trusted.note", true, false),
            (c"trusted.overlay.opaque", false, false),
            (c"security.evm", false, true),
        ] {
            assert_eq!((is_copied(name), decides_access(name)), (copied, needed), "{name:?}");
        }
    }
}
