//! Mounts as values: decided in data, printed as a shell would write them, applied in one place.

use std::fmt::{self, Display};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sys_mount::{MountFlags, UnmountFlags};

use crate::error::{Context, Error, Result};

/// One call of mount(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The file system, in the kernel's name for it.
    pub fstype: String,
    /// The device, or a name for those without one.
    pub source: String,
    /// The folder it is mounted on.
    pub target: String,
    /// Flags of mount(2).
    pub flags: MountFlags,
    /// The file system's own options, with commas between.
    pub data: String,
}

/// The kernel's file systems, in the order they are mounted, and moved into the new root later.
#[must_use]
pub fn kernel_filesystems() -> [Mount; 4] {
    let safe = MountFlags::NOSUID | MountFlags::NOEXEC;
    let mount = |fstype: &str, target: &str, flags, data: &str| Mount::new(fstype, fstype, target, flags, data);
    [
        mount("devtmpfs", "/dev", MountFlags::NOSUID, "mode=0755"),
        mount("proc", "/proc", safe | MountFlags::NODEV, ""),
        mount("sysfs", "/sys", safe | MountFlags::NODEV, ""),
        mount("tmpfs", "/run", MountFlags::NOSUID | MountFlags::NODEV, "mode=0755"),
    ]
}

impl Mount {
    /// A mount of `source` on `target`.
    pub fn new(
        fstype: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
        flags: MountFlags,
        data: impl Into<String>,
    ) -> Self {
        Self { fstype: fstype.into(), source: source.into(), target: target.into(), flags, data: data.into() }
    }

    /// A move of a mounted tree.
    #[must_use]
    pub fn moving(from: &str, to: &str) -> Self {
        Self::new("none", from, to, MountFlags::MOVE, "")
    }

    /// Mounts it, on a folder that is made where there is none.
    ///
    /// # Errors
    /// Those of mount(2), with the likely cause.
    pub fn apply(&self) -> Result<()> {
        match fs::create_dir_all(&self.target) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::new(&self.target, error)),
            _ => log::debug!("{self}"),
        }
        sys_mount::Mount::builder()
            .fstype(self.fstype.as_str())
            .flags(self.flags)
            .data(&self.data)
            .mount(&self.source, &self.target)
            .map(drop)
            .map_err(|error| {
                let hint = hint(&self.fstype, error.raw_os_error());
                let failed = Error::new(self, error);
                if hint.is_empty() { failed } else { failed.hint(hint) }
            })
    }
}

/// Whether something is mounted on a folder at the top.
#[must_use]
pub fn is_mountpoint(target: &str) -> bool {
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev()).ok();
    device(target).is_some_and(|below| Some(below) != device("/"))
}

/// Takes a mount out of sight; what uses it goes on using it.
///
/// # Errors
/// Those of umount2(2).
pub fn detach(target: &str) -> Result<()> {
    sys_mount::unmount(Path::new(target), UnmountFlags::DETACH).about(format_args!("umount -l {target}"))
}

fn hint(fstype: &str, errno: Option<i32>) -> String {
    let option = match fstype {
        "overlay" => "CONFIG_OVERLAY_FS",
        "squashfs" => "CONFIG_SQUASHFS",
        "erofs" => "CONFIG_EROFS_FS",
        "ext4" => "CONFIG_EXT4_FS",
        "vfat" => "CONFIG_VFAT_FS",
        "iso9660" => "CONFIG_ISO9660_FS",
        "devtmpfs" => "CONFIG_DEVTMPFS",
        "tmpfs" => "CONFIG_TMPFS",
        "proc" => "CONFIG_PROC_FS",
        "sysfs" => "CONFIG_SYSFS",
        _ => return String::new(),
    };
    match errno.map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENODEV) => format!("is {option} set, or the {fstype} module in the initramfs?"),
        Some(nix::errno::Errno::EINVAL) if fstype == "vfat" => {
            "are the modules nls_cp437 and nls_ascii in the initramfs?".to_owned()
        }
        Some(nix::errno::Errno::EINVAL) => {
            let compressed = matches!(fstype, "squashfs" | "erofs");
            let compression = if compressed { ", and can the kernel read its compression" } else { "" };
            format!("is the {fstype} whole{compression}? dmesg tells")
        }
        _ => String::new(),
    }
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
    fn mounts_print_as_a_shell_would_write_them() {
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
    fn an_error_names_the_mount_and_the_likely_cause() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().to_str().unwrap();
        let error = Mount::new("nosuchfs", "none", target, MountFlags::empty(), "").apply().unwrap_err();
        assert!(error.to_string().starts_with(&format!("mount -t nosuchfs none {target}: ")), "{error}");
        assert_eq!(
            hint("overlay", Some(nix::errno::Errno::ENODEV as i32)),
            "is CONFIG_OVERLAY_FS set, or the overlay module in the initramfs?"
        );
    }
}
