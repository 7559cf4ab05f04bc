//! A medium that has the image as a file.

use std::path::Path;

use sys_mount::MountFlags;

use crate::error::{Context, Error, Result};
use crate::media::answer::Answer;
use crate::media::image::{Found, Image};
use crate::media::image_request::ImageRequest;
use crate::media::medium_file::MountedMedium;
use crate::media::rootflags::Replay;
use crate::media::superblock::FileSystem;
use crate::media::superblock_reader;
use crate::media::{devices, journal};
use crate::say;
use crate::sys::block_device;
use crate::sys::mounts::{self, Mount};

/// The folder on which the medium is mounted, and stays mounted. systemd leaves mounts below /run/initramfs alone (its
/// src/shared/fstab-util.c, fstab_is_extrinsic): it cannot unmount this one, because the image is in use.
pub(crate) const TARGET: &str = "/run/initramfs/medium";

/// The medium of a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medium<'a> {
    /// The node of the device.
    pub(crate) node: &'a Path,
    /// How the device was found.
    pub(crate) found: Found,
}

impl Medium<'_> {
    /// Whether the medium has the image, for a child process: it can take for ever, and the mount is seen by this process alone.
    pub(crate) fn ask(self, path: &str, request: ImageRequest) -> Answer {
        // The boot says it once, of the medium that it takes.
        log::set_max_level(log::LevelFilter::Off);
        if let Err(error) = devices::open_readable(self.node) {
            return Answer::NotYet(error);
        }
        let opened = mounts::leave_namespace().and_then(|()| self.open(path, request));
        match opened.map(drop).and_then(|()| mounts::unmount(TARGET)) {
            Ok(()) => Answer::Yes,
            Err(error) => Answer::No(error),
        }
    }

    /// Mounts the medium on [`TARGET`], and opens the image on it. If the medium has no image, it is unmounted.
    ///
    /// # Errors
    /// When the device has no file system that can be mounted, or no such file, or when the file is no image.
    pub(crate) fn open(self, path: &str, request: ImageRequest) -> Result<Image> {
        let (mount, stale) = self.plan(request)?;
        mount.apply()?;
        match self.image(path, request) {
            Ok(image) => {
                if let Some(stale) = stale {
                    say::warn!("{}: {stale}", self.node.display());
                }
                Ok(image)
            }
            Err(error) => {
                mounts::unmount(TARGET)?;
                Err(match stale {
                    Some(stale) => error.hint_if_none(stale),
                    None if self.found == Found::Named => error.hint_if_none(PATH),
                    None => error,
                })
            }
        }
    }

    /// How the medium is mounted; if its journal is not replayed although it must be, also the words for that.
    fn plan(self, request: ImageRequest) -> Result<(Mount, Option<&'static str>)> {
        let name = self.node.display().to_string();
        let file = block_device::open(self.node).about(&name)?;
        let superblock = superblock_reader::read_for_medium(&file, &name, request.fstypes)?;
        let sector = block_device::sector_size(&file, &name)?;
        if superblock.block < sector {
            let kind = superblock.kind.name();
            let cause = format!("its {kind} has blocks of {} bytes, its sectors have {sector}", superblock.block);
            return Err(Error::new(name, cause).hint("the kernel cannot mount it: make it with larger blocks"));
        }
        let stale = if superblock.kind != FileSystem::Ext4 || !journal::needs_replay(&file) {
            None
        } else if self.found == Found::Searched {
            // It may be the disk of a system that hibernates. To replay its journal would destroy that system.
            Some(
                "its journal was not replayed, so what was written last is missing: if this is the medium, name it with root=",
            )
        } else if request.flags.ignore_journal() {
            Some("its journal was not replayed, so what was written last is missing: rootflags= asks for that")
        } else if block_device::is_read_only(&file, &name)? {
            Some("its journal was not replayed, so what was written last is missing: the device is write-protected")
        } else {
            let flags = request.flags;
            return Ok((flags.read_only_mount((superblock.kind, Replay::IfNeeded), self.node, TARGET, SAFE)?, None));
        };
        Ok((request.flags.read_only_mount((superblock.kind, Replay::Never), self.node, TARGET, SAFE)?, stale))
    }

    fn image(self, path: &str, request: ImageRequest) -> Result<Image> {
        let medium = MountedMedium { top: Path::new(TARGET), node: self.node, found: self.found };
        let missing = || Error::new(format_args!("/{path} on {}", self.node.display()), "no such file");
        medium.open(path, request)?.ok_or_else(missing)
    }
}

/// Nothing on a medium is a program or a device.
const SAFE: MountFlags = MountFlags::NODEV.union(MountFlags::NOSUID).union(MountFlags::NOEXEC);

/// The hint if the file is missing.
const PATH: &str = "rootimg= is the path from the top of that device's file system";
