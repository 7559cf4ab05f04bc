//! The label of the root folder on a system with SELinux. The upper layer has the label of the image, but it is on a tmpfs. When
//! the booted system loads its policy, the kernel gives every folder of a tmpfs the label that the policy names for a tmpfs
//! (kernel, security/selinux/hooks.c, `inode_doinit_with_dentry`: `SECURITY_FS_USE_TRANS`), so programs are denied to look into `/`.
//! Only a program of the booted system can set it again after that, so systemd gets a service for it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use crate::say;
use crate::sys::xattr;

/// The kernel makes this folder if SELinux is active (security/selinux/selinuxfs.c).
const ACTIVE: &str = "/sys/fs/selinux";

const UNIT: &str = "measureroot-label.service";

/// It runs first, because nearly every service looks into `/`. `-`: a system without restorecon(8) boots as it would have.
const TEXT: &str = "\
[Unit]
Description=Label of the root folder, which is on a tmpfs
DefaultDependencies=no
ConditionSecurity=selinux
Before=sysinit.target systemd-journald.service systemd-udevd.service systemd-tmpfiles-setup-dev.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/sbin/restorecon /
";

/// Writes the service below `run`, if the folder `root` has a label and SELinux is active. The boot goes on if it cannot be
/// written: the policy then denies more, not less.
pub(crate) fn restore_later(root: &Path, run: &Path) {
    if !Path::new(ACTIVE).exists() || xattr::get(root, c"security.selinux").is_err() {
        return;
    }
    if let Err(error) = write(&run.join("systemd/system")) {
        say::warn!("{UNIT}: not written, so the label of / will be that of a tmpfs: {error}");
    }
}

fn write(units: &Path) -> io::Result<()> {
    let wants = units.join("sysinit.target.wants");
    DirBuilder::new().recursive(true).mode(0o755).create(&wants)?;
    fs::write(units.join(UNIT), TEXT)?;
    symlink(Path::new("..").join(UNIT), wants.join(UNIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_written_and_wanted() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let wanted = fs::read_to_string(folder.path().join("sysinit.target.wants").join(UNIT)).unwrap();
        assert!(wanted.contains("\nExecStart=-/sbin/restorecon /\n"), "{wanted}");
    }
}
