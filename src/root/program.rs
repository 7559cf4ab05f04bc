//! Whether the kernel can start a program of the root image. It is found out before the initramfs is deleted, so that the error
//! names the file that is wrong.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{SFlag, fstat};

use crate::cursor::Fields;
use crate::error::{Context, Error, Result};

/// How many bytes of a program the kernel looks at (`BINPRM_BUF_SIZE`, include/uapi/linux/binfmts.h).
const HEAD: usize = 256;
/// How often a script can name another script as its interpreter (fs/exec.c, `exec_binprm`).
const NESTED: usize = 5;
/// The longest path (`PATH_MAX`, include/uapi/linux/limits.h).
const PATH: u64 = 4096;

/// Checks that `path` is a program which can be started in the folder `root`, and so are the interpreters that it names.
///
/// # Errors
/// Which file is wrong, and why. `None` if there is no file at `path`.
pub(super) fn check(root: &File, path: &str) -> std::result::Result<(), Option<Error>> {
    match in_root(root, path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Err(None),
        _ => check_each(root, path).map_err(Some),
    }
}

fn check_each(root: &File, path: &str) -> Result<()> {
    let mut program = path.to_owned();
    for _ in 0..=NESTED {
        let next = interpreter(root, &program).map_err(|error| {
            // Without the reason why the file is needed, its name alone would confuse.
            if program == path { error } else { error.hint(format_args!("{path} needs it as its interpreter")) }
        })?;
        match next {
            Some(next) => program = next,
            None => return Ok(()),
        }
    }
    Err(Error::new(path, format_args!("is a script whose interpreter is a script, more than {NESTED} times")))
}

/// Checks one file, and returns the interpreter that it names.
fn interpreter(root: &File, path: &str) -> Result<Option<String>> {
    let found = in_root(root, path, OFlag::O_PATH).map_err(|errno| not_found(root, path, errno))?;
    let stat = fstat(&found).about(path)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFDIR {
        return Err(Error::new(path, "is a folder, not a program"));
    }
    if kind != SFlag::S_IFREG {
        return Err(Error::new(path, "is not a program, but a device, pipe or socket"));
    }
    if stat.st_mode & 0o111 == 0 {
        return Err(Error::new(path, "is not executable").hint("chmod +x, before the image is made"));
    }
    let file = File::from(in_root(root, path, OFlag::O_RDONLY).about(path)?);
    let mut head = Vec::new();
    (&file).take(HEAD as u64).read_to_end(&mut head).about(path)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(path, line).map(Some);
    }
    if head.starts_with(b"\x7fELF") {
        return elf(path, &file, &head);
    }
    let cause =
        if head.is_empty() { "is empty" } else { "is neither an ELF program nor a script with #! in its first line" };
    Err(Error::new(path, cause))
}

fn in_root(root: &File, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    // Links are resolved in the new root: /sbin/init can be a link to /lib/systemd/systemd.
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    openat2(root, path, how)
}

fn not_found(root: &File, path: &str, errno: Errno) -> Error {
    let link = in_root(root, path, OFlag::O_PATH | OFlag::O_NOFOLLOW);
    match link.and_then(|link| readlinkat(link, "")) {
        Ok(target) => Error::new(path, format_args!("is a link to {}, which leads nowhere: {errno}", target.display())),
        Err(_) => Error::new(path, errno),
    }
}

/// The interpreter in the first line of a script (fs/binfmt_script.c): up to the first blank, or the end of the line.
fn script(path: &str, line: &[u8]) -> Result<String> {
    let line = line.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default().trim_ascii_start();
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(name) if name.starts_with('/') => Ok(name.to_owned()),
        Ok("") => Err(Error::new(path, "is a script that names no interpreter after #!")),
        _ => Err(Error::new(path, format_args!("has {} after #!", String::from_utf8_lossy(name)))
            .hint("write the absolute path of the interpreter")),
    }
}

/// The dynamic linker of a 64-bit ELF program (System V ABI, "Program Header": `PT_INTERP`); `None` for a static program, and for
/// what only the kernel can judge.
fn elf(path: &str, file: &File, head: &[u8]) -> Result<Option<String>> {
    const CLASS_64_LITTLE: [u8; 2] = [2, 1];
    const PT_INTERP: u32 = 3;
    const HEADER: usize = 56;
    // More would not fit into the page in which the kernel reads them (fs/binfmt_elf.c, `ELF_MIN_ALIGN`).
    const MOST: u16 = 4096 / 56;
    let fields = Fields(head);
    if fields.at::<2>(4) != Some(CLASS_64_LITTLE) {
        return Ok(None);
    }
    let (Some(start), Some(count)) = (fields.at(32).map(u64::from_le_bytes), fields.at(56).map(u16::from_le_bytes))
    else {
        return Err(Error::new(path, "is an ELF program that was cut off"));
    };
    for index in 0..count.min(MOST) {
        let mut header = [0; HEADER];
        let offset = start.saturating_add(u64::from(index) * HEADER as u64);
        file.read_exact_at(&mut header, offset)
            .about_hint(path, "its program headers cannot be read: was it cut off?")?;
        let header = Fields(&header);
        if header.at(0).map(u32::from_le_bytes) == Some(PT_INTERP) {
            let at = |offset| header.at(offset).map(u64::from_le_bytes).unwrap_or_default();
            let mut name = vec![0; usize::try_from(at(32).min(PATH)).about(path)?];
            file.read_exact_at(&mut name, at(8))
                .about_hint(path, "its dynamic linker's name cannot be read: was it cut off?")?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            return Ok(Some(String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A root with these files, each executable.
    fn root(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        root
    }

    fn checked(root: &tempfile::TempDir, path: &str) -> String {
        let checked = check(&File::open(root.path()).unwrap(), path);
        checked.map_or_else(
            |error| error.map_or_else(|| "missing".to_owned(), |error| error.to_string()),
            |()| "good".to_owned(),
        )
    }

    #[test]
    fn the_wrong_file_is_named_with_the_cause() {
        let root = root(&[
            ("empty", b""),
            ("text", b"hello"),
            ("plain", b"#!/bin/sh"),
            ("script", b"#! /bin/sh -e\nx"),
            ("nowhere", b"#!/no/such -x\n"),
            ("relative", b"#!sh\n"),
            ("bare", b"#!\n"),
            ("loop", b"#!/loop\n"),
            ("bin/sh", b"\x7fELF\x01\x01"),
        ]);
        fs::set_permissions(root.path().join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("/usr/lib/nowhere", root.path().join("dangling")).unwrap();
        symlink("itself", root.path().join("itself")).unwrap();
        let table = [
            ("/script", "good"),
            ("/none", "missing"),
            ("/text/below", "missing"),
            ("/bin", "/bin: is a folder, not a program"),
            ("/plain", "/plain: is not executable (chmod +x, before the image is made)"),
            (
                "/dangling",
                "/dangling: is a link to /usr/lib/nowhere, which leads nowhere: ENOENT: No such file or directory",
            ),
            (
                "/itself",
                "/itself: is a link to itself, which leads nowhere: ELOOP: Too many symbolic links encountered",
            ),
            ("/empty", "/empty: is empty"),
            ("/text", "/text: is neither an ELF program nor a script with #! in its first line"),
            ("/nowhere", "/no/such: ENOENT: No such file or directory (/nowhere needs it as its interpreter)"),
            ("/relative", "/relative: has sh after #! (write the absolute path of the interpreter)"),
            ("/bare", "/bare: is a script that names no interpreter after #!"),
            ("/loop", "/loop: is a script whose interpreter is a script, more than 5 times"),
        ];
        for (path, expected) in table {
            assert_eq!(checked(&root, path), expected);
        }
    }

    #[test]
    fn the_dynamic_linker_of_a_program_must_be_there() {
        // The test itself is a program with a dynamic linker.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let without = root(&[("init", &own)]);
        let error = checked(&without, "/init");
        assert!(error.contains("ENOENT") && error.ends_with("(/init needs it as its interpreter)"), "{error}");
        let linker = error.split(": ").next().unwrap().trim_start_matches('/').to_owned();
        assert_eq!(checked(&root(&[("init", &own), (&linker, b"\x7fELF\x01")]), "/init"), "good");
        // Bytes that were cut off, or that lie, are errors or nothing.
        for cut in [5, 20, 60, 100, 300] {
            checked(&root(&[("init", &own[..cut])]), "/init");
        }
        for byte in 32..64 {
            let mut lying = own.clone();
            lying[byte] = 0xff;
            checked(&root(&[("init", &lying)]), "/init");
        }
    }
}
