//! Finds the image as a file on a medium, which is mounted while that file is opened.

use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Context, Result};
use crate::media::image::{Found, Image};
use crate::media::image_request::ImageRequest;
use crate::media::medium_file::MountedMedium;
use crate::media::rootflags::Replay;
use crate::media::superblock::Superblock;
use crate::media::superblock_reader;
use crate::sys::block_device;
use crate::sys::mounts::detach;

/// The folder on which the medium is mounted.
const TARGET: &str = "/measureroot/medium";

/// Looks for the image at `path` on the device; `None` if the device has a file system without such a file.
///
/// # Errors
/// When the device has no file system that can be mounted, or the file is no image.
pub(crate) fn find_image(node: &Path, found: Found, path: &str, request: ImageRequest) -> Result<Option<Image>> {
    let superblock = superblock(node, request)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    request.flags.read_only_mount((superblock.kind, Replay::Never), node, TARGET, flags)?.apply()?;
    let image = MountedMedium { top: Path::new(TARGET), node, found }.open(path, request);
    // The open file keeps the file system in use, so its folder is not needed any more.
    detach(TARGET)?;
    image
}

fn superblock(node: &Path, request: ImageRequest) -> Result<Superblock> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    superblock_reader::read_for_medium(&file, &name, request.fstypes)
}
