//! The initrd as systemd's stub hands it to the kernel: the sections with archives, and archives that the stub makes of other
//! sections (systemd, `src/boot/cpio.c`, `pack_cpio_literal`; `src/boot/stub.c`, `combine_initrds`). The kernel measures it.

use std::borrow::Cow;

use super::pe::{PeFile, Section};
use super::stub::Stub;
use crate::error::Result;

/// The sections that become a file of the folder `.extra`, in the order of the archives. 252 has only the first two.
const FILES: [(&str, &str); 4] = [
    (".pcrsig", "tpm2-pcr-signature.json"),
    (".pcrpkey", "tpm2-pcr-public-key.pem"),
    (".osrel", "os-release"),
    (".profile", "profile"),
];

/// The end of an archive. Unlike the other entries, the stub has it as a constant, with a digit in upper case.
const TRAILER: &[u8] = b"070701\
    00000000000000000000000000000000000000010000000000000000\
    000000000000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";

/// The parts of the initrd, one behind the other. None if the kernel gets no initrd.
///
/// # Errors
/// If a section is too long.
pub(super) fn parts<'a>(file: &PeFile<'a>, stub: &Stub) -> Result<Vec<Cow<'a, [u8]>>> {
    let mut parts = Vec::new();
    // 252 hands over no microcode.
    let archives: &[&str] = if stub.is_257() { &[".ucode", ".initrd"] } else { &[".initrd"] };
    for name in archives {
        parts.extend(stub.find(file, name).map(Section::in_memory).transpose()?);
    }
    let files = if stub.is_257() { FILES.as_slice() } else { FILES.get(..2).unwrap_or_default() };
    for (name, path) in files {
        if let Some(section) = stub.find(file, name) {
            parts.push(Cow::Owned(archive(path, &section.in_memory()?)));
        }
    }
    // One part alone is handed over as it is.
    if parts.len() > 1 {
        parts.iter_mut().filter(|part| part.len() % 4 > 0).for_each(|part| pad(part.to_mut()));
    }
    Ok(parts)
}

/// An archive in the kernel's format (kernel, Documentation/driver-api/early-userspace/buffer-format.rst) with the folder `.extra`
/// and one file in it.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    // The inode, the mode, the name, the content: S_IFDIR and S_IFREG of stat(2).
    entry(&mut archive, 1, 0o040_555, ".extra", &[]);
    entry(&mut archive, 2, 0o100_444, &format!(".extra/{name}"), content);
    archive.extend(TRAILER);
    archive
}

fn entry(archive: &mut Vec<u8>, inode: u32, mode: u32, name: &str, content: &[u8]) {
    // 13 numbers: inode, mode, uid, gid, nlink, mtime, size, four of devices, the length of the name with its zero, a check sum.
    let numbers = [inode, mode, 0, 0, 1, 0, length(content), 0, 0, 0, 0, length(name.as_bytes()) + 1, 0];
    archive.extend(b"070701");
    for number in numbers {
        archive.extend(format!("{number:08x}").bytes());
    }
    archive.extend(name.bytes().chain([0]));
    pad(archive);
    archive.extend(content);
    pad(archive);
}

/// A section has at most 4 GiB.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::made_pe::MadePe;

    fn joined(made: &MadePe, version: &str) -> Vec<u8> {
        let magic = format!("#### LoaderInfo: systemd-stub {version} ####");
        let bytes = made.clone().exact(b".sdmagic", magic.as_bytes()).bytes();
        let file = PeFile::parse(&bytes).unwrap();
        parts(&file, &Stub::of(&file).unwrap()).unwrap().concat()
    }

    #[test]
    fn the_archive_is_that_of_the_stub() {
        let zeros = |count| "0".repeat(count);
        let head = format!("070701{}1{}416d{}1{}7{}", zeros(7), zeros(4), zeros(23), zeros(55), zeros(8));
        let file =
            format!("070701{}2{}8124{}1{}5{}12{}", zeros(7), zeros(4), zeros(23), zeros(15), zeros(38), zeros(8));
        let end = format!("070701{}1{}B{}TRAILER!!!\0\0\0\0", zeros(39), zeros(55), zeros(8));
        let expected = format!("{head}.extra\0\0\0\0{file}.extra/os-release\0ID=ab\0\0\0{end}");
        assert_eq!(String::from_utf8(archive("os-release", b"ID=ab")).unwrap(), expected);
    }

    #[test]
    fn each_version_hands_over_its_own_parts() {
        let made = MadePe::new().exact(b".initrd", b"12345");
        assert_eq!((joined(&made, "252"), joined(&made, "257")), (b"12345".to_vec(), b"12345".to_vec()));
        assert_eq!(joined(&MadePe::new(), "257"), b"");
        let with_osrel = made.clone().exact(b".osrel", b"ID=a");
        assert_eq!(joined(&with_osrel, "252"), b"12345");
        let padded = [b"12345\0\0\0".to_vec(), archive("os-release", b"ID=a")].concat();
        assert_eq!(joined(&with_osrel, "257"), padded);
        let signed = made.exact(b".pcrpkey", b"key").exact(b".pcrsig", b"{}");
        let both = [archive("tpm2-pcr-signature.json", b"{}"), archive("tpm2-pcr-public-key.pem", b"key")].concat();
        for version in ["252", "257"] {
            assert_eq!(joined(&signed, version), [b"12345\0\0\0".to_vec(), both.clone()].concat(), "{version}");
        }
        let microcode = signed.exact(b".ucode", b"m");
        assert!(
            joined(&microcode, "257").starts_with(b"m\0\0\x0012345") && joined(&microcode, "252").starts_with(b"12345")
        );
    }
}
