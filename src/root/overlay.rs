//! The overlay: the read-only image is the lower layer, a tmpfs the upper one. The system can write, and the image stays what
//! was measured.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Context, Result};
use crate::root::folder_attributes;
use crate::root::overlay_size::OverlaySize;
use crate::sys::memory;
use crate::sys::mounts::{self, Mount, kernel_filesystems};

/// Where the overlay is mounted before it becomes the root.
pub(crate) const ROOT: &str = "/sysroot";
/// Where the image is mounted: the lower layer.
pub(crate) const LOWER: &str = "/measureroot/image";
/// Where the tmpfs is mounted. It holds the upper layer and overlayfs's work folder.
const TMPFS: &str = "/measureroot/overlay";
const UPPER: &str = "/measureroot/overlay/upper";
const WORK: &str = "/measureroot/overlay/work";

/// The two mounts: first the tmpfs, then the overlay, which needs folders in the tmpfs. `size` is tmpfs's own `size=`.
#[must_use]
pub(crate) fn plan(size: &str, writable: bool) -> [Mount; 2] {
    let access = if writable { MountFlags::empty() } else { MountFlags::RDONLY };
    [
        Mount {
            fstype: "tmpfs".to_owned(),
            source: "measureroot".to_owned(),
            target: TMPFS.to_owned(),
            flags: MountFlags::empty(),
            data: format!("mode=0755,size={size}"),
        },
        Mount {
            fstype: "overlay".to_owned(),
            source: "measureroot".to_owned(),
            target: ROOT.to_owned(),
            flags: access,
            // Without redirect_dir=on, renaming a folder of the image fails with EXDEV, as if it were on another file system
            // (kernel, Documentation/filesystems/overlayfs.rst, "Renaming directories"). Only root can set the attribute that the
            // kernel follows then (trusted.overlay.redirect), and the attributes of the image are measured.
            data: format!("redirect_dir=on,lowerdir={LOWER},upperdir={UPPER},workdir={WORK}"),
        },
    ]
}

/// Mounts the overlay at [`ROOT`] and detaches its layers, so that nothing can write to them except through the overlay. Returns its size, as tmpfs's `size=`.
///
/// # Errors
/// When a mount fails or a folder cannot be created.
pub(crate) fn mount(size: &OverlaySize, writable: bool) -> Result<String> {
    let size = size.for_tmpfs(memory::total()?, memory::available()?);
    let [tmpfs, overlay] = plan(&size, writable);
    tmpfs.apply()?;
    Layers { lower: Path::new(LOWER), upper: Path::new(UPPER) }.create_upper()?;
    DirBuilder::new().mode(0o700).create(WORK).about(WORK)?;
    overlay.apply()?;
    [TMPFS, LOWER].into_iter().try_for_each(mounts::detach)?;
    Ok(size)
}

/// The layers of the overlay.
struct Layers<'a> {
    lower: &'a Path,
    upper: &'a Path,
}

impl Layers<'_> {
    /// Creates the upper layer. Its top folder hides the image's own, so it gets the same attributes. It also gets those folders
    /// for the kernel's file systems that the image lacks.
    fn create_upper(&self) -> Result<()> {
        let Self { lower, upper } = *self;
        DirBuilder::new().mode(0o755).create(upper).about(upper.display())?;
        folder_attributes::copy(lower, upper)?;
        for mount in kernel_filesystems() {
            let name = mount.target.trim_start_matches('/');
            if fs::symlink_metadata(lower.join(name)).is_err() {
                DirBuilder::new().mode(0o755).create(upper.join(name)).about(upper.join(name).display())?;
            }
        }
        folder_attributes::copy_times(lower, upper)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn the_plan_is_two_mounts() {
        let lines = |writable| plan("50%", writable).map(|mount| mount.to_string());
        assert_eq!(
            lines(true),
            [
                "mount -t tmpfs -o mode=0755,size=50% measureroot /measureroot/overlay",
                "mount -t overlay -o redirect_dir=on,lowerdir=/measureroot/image,upperdir=/measureroot/overlay/upper,\
             workdir=/measureroot/overlay/work measureroot /sysroot",
            ]
        );
        assert!(lines(false)[1].contains("-o ro,redirect_dir=on,lowerdir="));
    }

    #[test]
    fn the_upper_layer_has_the_mode_of_the_image_and_the_missing_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (lower, upper) = (folder.path().join("lower"), folder.path().join("upper"));
        fs::create_dir_all(lower.join("dev")).unwrap();
        fs::set_permissions(&lower, fs::Permissions::from_mode(0o1711)).unwrap();
        Layers { lower: &lower, upper: &upper }.create_upper().unwrap();
        let attributes = |path| fs::metadata(path).map(|meta| (meta.mode() & 0o7777, meta.mtime())).unwrap();
        assert_eq!(attributes(&upper), (0o1711, fs::metadata(&lower).unwrap().mtime()));
        let mut created: Vec<_> = fs::read_dir(&upper).unwrap().map(|e| e.unwrap().file_name()).collect();
        created.sort();
        assert_eq!(created, ["proc", "run", "sys"]);
    }
}
