//! Mounts as values: they are decided as data, printed as shell commands, and applied in one place.

use std::fmt::{self, Display};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MsFlags;
use sys_mount::{MountFlags, UnmountFlags};

use crate::error::{Context, Error, Result};
use crate::say;
use crate::sys::file_system_modules;
use crate::sys::mount_hint;

/// One call of mount(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's name of the file system.
    pub(crate) fstype: String,
    /// The device; any name if the file system has none.
    pub(crate) source: String,
    /// The folder on which it is mounted.
    pub(crate) target: String,
    /// Flags of mount(2).
    pub(crate) flags: MountFlags,
    /// The file system's own options, separated by commas.
    pub(crate) data: String,
}

/// The kernel's file systems, in the order in which they are mounted, and later moved into the new root.
#[must_use]
pub(crate) fn kernel_filesystems() -> [Mount; 4] {
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC;
    let mount = |fstype: &str, target: &str, flags, data: &str| Mount {
        fstype: fstype.to_owned(),
        source: fstype.to_owned(),
        target: target.to_owned(),
        flags,
        data: data.to_owned(),
    };
    [
        mount("devtmpfs", "/dev", MountFlags::NOSUID, "mode=0755"),
        mount("proc", "/proc", safe | MountFlags::NODEV, ""),
        mount("sysfs", "/sys", safe | MountFlags::NODEV, ""),
        mount("tmpfs", "/run", MountFlags::NOSUID | MountFlags::NODEV, "mode=0755"),
    ]
}

impl Mount {
    /// Moves what is mounted on `from` to `to`.
    #[must_use]
    pub(crate) fn moving(from: &str, to: &str) -> Self {
        Self {
            fstype: "none".to_owned(),
            source: from.to_owned(),
            target: to.to_owned(),
            flags: MountFlags::MOVE,
            data: String::new(),
        }
    }

    /// Mounts the file system. If the folder does not exist, it is made.
    ///
    /// # Errors
    /// The errors of mount(2), with the likely cause.
    pub(crate) fn apply(&self) -> Result<()> {
        match fs::create_dir_all(&self.target) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::new(&self.target, error)),
            _ => say::debug!("{self}"),
        }
        file_system_modules::prepare(&self.fstype);
        let mut result = Ok(());
        for is_second in [false, true] {
            let mount = sys_mount::Mount::builder().fstype(self.fstype.as_str()).flags(self.flags).data(&self.data);
            result = mount.mount(&self.source, &self.target).map(drop);
            let is_unknown = result.as_ref().is_err_and(|error| error.raw_os_error() == Some(Errno::ENODEV as i32));
            if is_second || !is_unknown || !file_system_modules::load(&self.fstype) {
                break;
            }
        }
        result.map_err(|error| {
            let hint = mount_hint::likely_cause(&self.fstype, error.raw_os_error());
            let failed = Error::new(self, error);
            if hint.is_empty() { failed } else { failed.hint(hint) }
        })
    }
}

/// Whether something is mounted on a folder of the root folder.
#[must_use]
pub(crate) fn is_mountpoint(target: &str) -> bool {
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(target).is_some_and(|below| Some(below) != device("/"))
}

/// Unmounts lazily: the mount is not seen any more, but files that are open on it can still be used.
///
/// # Errors
/// The errors of umount2(2).
pub(crate) fn detach(target: &str) -> Result<()> {
    sys_mount::unmount(Path::new(target), UnmountFlags::DETACH).about(format_args!("umount -l {target}"))
}

/// Makes the mount on `target` and all below it private, as all mounts are when the kernel starts: changes do not propagate.
///
/// # Errors
/// The errors of mount(2).
pub(crate) fn make_private(target: &str) -> Result<()> {
    let none: Option<&str> = None;
    nix::mount::mount(none, target, none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .about(format_args!("mount --make-rprivate {target}"))
}

/// Unmounts what is mounted on a folder.
///
/// # Errors
/// The errors of umount2(2).
pub(crate) fn unmount(target: &str) -> Result<()> {
    sys_mount::unmount(Path::new(target), UnmountFlags::empty()).about(format_args!("umount {target}"))
}

/// Gives this process mounts of its own: what it mounts from now on is seen by no other process, and goes with it.
///
/// # Errors
/// The errors of unshare(2) and mount(2).
pub(crate) fn leave_namespace() -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).about("unshare --mount")?;
    make_private("/")
}

impl Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.flags.contains(MountFlags::MOVE) {
            return write!(f, "mount --move {} {}", self.source, self.target);
        }
        let named = [
            (MountFlags::RDONLY, "ro"),
            (MountFlags::NOSUID, "nosuid"),
            (MountFlags::NODEV, "nodev"),
            (MountFlags::NOEXEC, "noexec"),
            (MountFlags::NOATIME, "noatime"),
            (MountFlags::NODIRATIME, "nodiratime"),
            (MountFlags::RELATIME, "relatime"),
            (MountFlags::STRICTATIME, "strictatime"),
        ];
        let flags = named.iter().filter(|(flag, _)| self.flags.contains(*flag)).map(|(_, name)| *name);
        let options: Vec<_> = flags.chain(Some(self.data.as_str()).filter(|data| !data.is_empty())).collect();
        write!(f, "mount -t {}", self.fstype)?;
        if !options.is_empty() {
            write!(f, " -o {}", options.join(","))?;
        }
        write!(f, " {} {}", self.source, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_prints_as_a_shell_command() {
        let lines: Vec<_> = kernel_filesystems().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev",
                "mount -t proc -o nosuid,nodev,noexec proc /proc",
                "mount -t sysfs -o nosuid,nodev,noexec sysfs /sys",
                "mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /run",
            ]
        );
        assert_eq!(Mount::moving("/dev", "/sysroot/dev").to_string(), "mount --move /dev /sysroot/dev");
    }

    #[test]
    fn an_error_names_the_mount() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().to_str().unwrap();
        let mount = Mount {
            fstype: "nosuchfs".to_owned(),
            source: "none".to_owned(),
            target: target.to_owned(),
            flags: MountFlags::empty(),
            data: String::new(),
        };
        let error = mount.apply().unwrap_err();
        assert!(error.to_string().starts_with(&format!("mount -t nosuchfs none {target}: ")), "{error}");
    }
}
