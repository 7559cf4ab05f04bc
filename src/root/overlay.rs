//! The union: the read-only image below, a tmpfs above, so that the system may write and the image stays what was measured.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Context, Result};
use crate::sys::mounts::{Mount, kernel_filesystems};

/// The union, before it becomes the root.
pub const ROOT: &str = "/sysroot";
/// The mounted image: the lower layer.
pub const LOWER: &str = "/measureroot/image";
/// The tmpfs with the upper layer and overlayfs's work folder.
const SPACE: &str = "/measureroot/overlay";
const UPPER: &str = "/measureroot/overlay/upper";
const WORK: &str = "/measureroot/overlay/work";

/// The mounts that make the union: the tmpfs first, then, when its folders are there, the overlay.
#[must_use]
pub fn plan(size: &str, writable: bool) -> [Mount; 2] {
    let access = if writable { MountFlags::empty() } else { MountFlags::RDONLY };
    [
        Mount {
            fstype: "tmpfs".to_owned(),
            source: "measureroot".to_owned(),
            target: SPACE.to_owned(),
            flags: MountFlags::empty(),
            data: format!("mode=0755,size={size}"),
        },
        Mount {
            fstype: "overlay".to_owned(),
            source: "measureroot".to_owned(),
            target: ROOT.to_owned(),
            flags: access,
            data: format!("lowerdir={LOWER},upperdir={UPPER},workdir={WORK}"),
        },
    ]
}

/// Mounts the union at [`ROOT`] and takes its layers out of sight, so that nothing writes to them but through it.
///
/// # Errors
/// When a mount or a folder fails.
pub fn mount(size: &str, writable: bool) -> Result<()> {
    let [space, overlay] = plan(size, writable);
    space.apply()?;
    prepare(Path::new(LOWER), Path::new(UPPER))?;
    DirBuilder::new().mode(0o700).create(WORK).about(WORK)?;
    overlay.apply()?;
    [SPACE, LOWER].into_iter().try_for_each(crate::sys::mounts::detach)
}

/// Makes the upper layer's top, which hides the image's own: it gets the same owner and mode, and the folders that the
/// kernel's file systems are moved to, where the image lacks them.
fn prepare(lower: &Path, upper: &Path) -> Result<()> {
    let top = fs::metadata(lower).about(lower.display())?;
    DirBuilder::new().mode(0o755).create(upper).about(upper.display())?;
    chown(upper, Some(top.uid()), Some(top.gid())).about(upper.display())?;
    fs::set_permissions(upper, fs::Permissions::from_mode(top.mode() & 0o7777)).about(upper.display())?;
    for mount in kernel_filesystems() {
        let name = mount.target.trim_start_matches('/');
        if fs::symlink_metadata(lower.join(name)).is_err() {
            DirBuilder::new().mode(0o755).create(upper.join(name)).about(upper.join(name).display())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_in_shell_words() {
        let lines = |writable| plan("50%", writable).map(|mount| mount.to_string());
        assert_eq!(
            lines(true),
            [
                "mount -t tmpfs -o mode=0755,size=50% measureroot /measureroot/overlay",
                "mount -t overlay -o lowerdir=/measureroot/image,upperdir=/measureroot/overlay/upper,\
             workdir=/measureroot/overlay/work measureroot /sysroot",
            ]
        );
        assert!(lines(false)[1].contains("-o ro,lowerdir="));
    }

    #[test]
    fn the_upper_top_is_like_the_images() {
        let folder = tempfile::tempdir().unwrap();
        let (lower, upper) = (folder.path().join("lower"), folder.path().join("upper"));
        fs::create_dir_all(lower.join("dev")).unwrap();
        fs::set_permissions(&lower, fs::Permissions::from_mode(0o1711)).unwrap();
        prepare(&lower, &upper).unwrap();
        assert_eq!(fs::metadata(&upper).unwrap().mode() & 0o7777, 0o1711);
        let mut made: Vec<_> = fs::read_dir(&upper).unwrap().map(|e| e.unwrap().file_name()).collect();
        made.sort();
        assert_eq!(made, ["proc", "run", "sys"]);
    }
}
