//! The file system that holds the image as a file.

use std::path::Path;

use sys_mount::MountFlags;

use crate::config::Config;
use crate::error::{Context, Result};
use crate::media::devices;
use crate::media::image::{self, Image};
use crate::media::superblock::Superblock;
use crate::sys::block_device;
use crate::sys::mounts::detach;

/// Where it is mounted while the image is opened.
const TARGET: &str = "/measureroot/medium";

/// Looks for the image at `path` on the device; `None` when it has a file system, but no such file.
///
/// # Errors
/// When it has none that can be mounted, or the file cannot be used.
pub fn find_image(node: &Path, path: &str, config: &Config) -> Result<Option<Image>> {
    let superblock = superblock(node, config)?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    config.flags.read_only_mount(superblock.kind, node, TARGET, flags).apply()?;
    let found = image::on_medium(Path::new(TARGET), path, node, config);
    // The open file keeps the file system in use; nobody needs to see it any more.
    detach(TARGET)?;
    found
}

fn superblock(node: &Path, config: &Config) -> Result<Superblock> {
    let name = node.display().to_string();
    let file = block_device::open(node).about(&name)?;
    let found = devices::superblock(&file, &name)?;
    devices::one_of(found, &name, &config.fstypes, "a medium is vfat, iso9660, ext4, squashfs or erofs")
}
