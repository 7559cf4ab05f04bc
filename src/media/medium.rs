//! The file system that holds the image as a file.

use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Context, Result};
use crate::media::devices;
use crate::media::image::{Found, Image, MountedMedium};
use crate::media::image_request::ImageRequest;
use crate::media::superblock::Superblock;
use crate::sys::block_device;
use crate::sys::mounts::detach;

/// Where it is mounted while the image is opened.
const TARGET: &str = "/measureroot/medium";

/// Looks for the image at `path` on the device; `None` when it has a file system, but no such file.
///
/// # Errors
/// When it has none that can be mounted, or the file cannot be used.
pub fn find_image(node: &Path, found: Found, path: &str, request: ImageRequest) -> Result<Option<Image>> {
    let superblock = superblock(node, request)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    request.flags.read_only_mount(superblock.kind, node, TARGET, flags).apply()?;
    let image = MountedMedium { top: Path::new(TARGET), node, found }.open(path, request);
    // The open file keeps the file system in use; nobody needs to see it any more.
    detach(TARGET)?;
    image
}

fn superblock(node: &Path, request: ImageRequest) -> Result<Superblock> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    let found = devices::superblock(&file, &name)?;
    devices::one_of(found, &name, request.fstypes, "a medium is vfat, iso9660, ext4, squashfs or erofs")
}
