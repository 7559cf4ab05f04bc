//! What systemd-stub hands over in the initramfs, for the booted systemd: the signed PCR policies of the kernel's file, and
//! encrypted credentials that lay beside that file. The initramfs is deleted, so they are copied to where systemd's own
//! initramfs copies them (systemd, tmpfiles.d/20-systemd-stub.conf and src/core/import-creds.c).
//!
//! The firmware's boot loader could read credentials from a disk that is not trusted. systemd authenticates them when it decrypts
//! them. Extension images (`sysext`, `confext`) are for the initramfs alone in systemd too, and are left out.

use crate::say;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use nix::fcntl::OFlag;

/// The files, each with its place below /run and its mode.
const FILES: [(&str, &str, u32); 5] = [
    ("tpm2-pcr-signature.json", "systemd/tpm2-pcr-signature.json", 0o444),
    ("tpm2-pcr-public-key.pem", "systemd/tpm2-pcr-public-key.pem", 0o444),
    ("profile", "systemd/stub/profile", 0o444),
    ("os-release", "systemd/stub/os-release", 0o444),
    ("boot-secret", "systemd/stub/boot-secret", 0o400),
];

/// The folders of the credentials: those of this kernel first, then those of all.
const CREDENTIALS: [&str; 2] = ["credentials", "global_credentials"];

/// Where systemd's own initramfs puts them, below /run, and where a systemd that did not get their folder in its environment
/// looks for them (systemd.exec(5), LoadCredentialEncrypted=).
const ENCRYPTED: &str = "credentials/@encrypted";
const STORE: &str = "credstore.encrypted";

/// The most bytes of one file, and of all credentials together (systemd, src/basic/creds-util.h: `CREDENTIALS_TOTAL_SIZE_MAX`).
const MOST: u64 = 1 << 20;

/// Copies them from `extra` to `run`. The boot goes on if one cannot be copied: it is not what was measured that is missing, and
/// the booted system says which file it lacks.
pub(crate) fn hand_over(extra: &Path, run: &Path) {
    if !extra.is_dir() {
        return;
    }
    for (name, target, mode) in FILES {
        let (from, to) = (extra.join(name), run.join(target));
        if from.exists()
            && let Err(error) = make_parent(&to).and_then(|()| copy(&from, &to, mode, MOST))
        {
            say::warn!("{}: not handed to the booted system: {error}", from.display());
        }
    }
    let mut left = MOST;
    for folder in CREDENTIALS {
        for entry in fs::read_dir(extra.join(folder)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".cred")) else { continue };
            match credential(&entry.path(), name, run, left) {
                Ok(bytes) => left -= bytes,
                // The credential of this kernel has the name, too.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => say::warn!("{}: not handed over: {error}", entry.path().display()),
            }
        }
    }
}

/// Copies a credential of at most `most` bytes; returns its length.
fn credential(from: &Path, name: &str, run: &Path, most: u64) -> io::Result<u64> {
    // What systemd takes for a name (src/basic/creds-util.c, `credential_name_valid`).
    let is_valid = |byte: u8| byte.is_ascii_graphic() && byte != b':' && byte != b'/' || byte == b' ';
    if name.is_empty() || name == "." || name == ".." || !name.bytes().all(is_valid) {
        return Err(io::Error::other("no name of a credential"));
    }
    for folder in ["credentials", ENCRYPTED, STORE] {
        let mode = if folder == "credentials" { 0o755 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(run.join(folder))?;
    }
    let bytes = copy(from, &run.join(ENCRYPTED).join(name), 0o400, most)?;
    symlink(Path::new("..").join(ENCRYPTED).join(name), run.join(STORE).join(name))?;
    Ok(bytes)
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o755).create(folder))
}

/// Copies a file of at most `most` bytes; returns its length.
fn copy(from: &Path, to: &Path, mode: u32, most: u64) -> io::Result<u64> {
    // A FIFO would wait for ever, and a link could lead elsewhere.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(from)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let content = content(file, most)?;
    let mut copied = OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
    copied.write_all(&content)?;
    Ok(content.len() as u64)
}

fn content(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut content)?;
    if read as u64 > most {
        return Err(io::Error::other(format!("more than {most} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_credentials_reach_run() {
        let folder = tempfile::tempdir().unwrap();
        let (extra, run) = (folder.path().join("extra"), folder.path().join("run"));
        fs::create_dir_all(&run).unwrap();
        hand_over(&extra, &run);
        assert_eq!(fs::read_dir(&run).unwrap().count(), 0, "without /.extra nothing is made");
        for folder in ["credentials", "global_credentials", "sysext"] {
            fs::create_dir_all(extra.join(folder)).unwrap();
        }
        let write = |name: &str, text: &str| fs::write(extra.join(name), text).unwrap();
        write("tpm2-pcr-signature.json", "{}");
        write("boot-secret", "s");
        symlink("/etc/hostname", extra.join("tpm2-pcr-public-key.pem")).unwrap();
        write("credentials/a.cred", "own");
        write("credentials/no-credential", "");
        write("credentials/b:c.cred", "");
        write("credentials/...cred", "");
        write("global_credentials/a.cred", "of all");
        write("global_credentials/z.cred", &"z".repeat(MOST.try_into().unwrap()));
        hand_over(&extra, &run);
        let read = |name: &str| fs::read_to_string(run.join(name)).ok();
        assert_eq!(read("systemd/tpm2-pcr-signature.json").as_deref(), Some("{}"));
        assert_eq!(read("systemd/tpm2-pcr-public-key.pem"), None);
        let secret = fs::metadata(run.join("systemd/stub/boot-secret")).unwrap();
        assert_eq!(secret.permissions().mode() & 0o777, 0o400);
        assert_eq!(read("credentials/@encrypted/a").as_deref(), Some("own"));
        assert_eq!(read("credstore.encrypted/a").as_deref(), Some("own"));
        let names = fs::read_dir(run.join("credentials/@encrypted")).unwrap();
        assert_eq!(names.count(), 1, "the other names are not valid, or the file is too large");
        let mode = fs::metadata(run.join("credentials/@encrypted")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
