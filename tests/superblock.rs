//! Superblocks that mkfs programs write. blkid must read the same in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::run;
use measureroot::internal::hash::Bank;
use measureroot::internal::media::{FileSystem, HEAD, Superblock, length_on_device, probe, superblock_reader};

fn blkid(path: &Path, field: &str) -> Option<String> {
    let output = Command::new("/sbin/blkid").args(["-p", "-o", "value", "-s", field]).arg(path).output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// A file system of each kind with a file in it.
fn made(folder: &Path) -> Vec<(FileSystem, PathBuf)> {
    let content = folder.join("content");
    fs::create_dir(&content).unwrap();
    // Bytes that do not compress: an image with them must be longer than an empty one.
    let noise: Vec<u8> = (0..2000u32).flat_map(|i| Bank::Sha256.digest(&i.to_le_bytes()).as_bytes().to_vec()).collect();
    fs::write(content.join("file"), noise).unwrap();
    let content = content.to_str().unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    run("mksquashfs", &[content, &path("squashfs"), "-quiet", "-no-progress"]);
    run("mkfs.erofs", &["--quiet", &path("erofs"), content]);
    run("/sbin/mke2fs", &["-q", "-t", "ext4", "-L", "a label", &path("ext4"), "3000"]);
    run("/sbin/mke2fs", &["-q", "-t", "ext2", "-b", "1024", &path("ext2"), "777"]);
    run("xorriso", &["-as", "mkisofs", "-quiet", "-V", "ISO_LABEL", "-o", &path("iso9660"), content]);
    for (bits, kib) in [("12", "1024"), ("16", "16384"), ("32", "65536")] {
        run("/sbin/mkfs.vfat", &["-F", bits, "-n", "FATLABEL", "-C", &path(&format!("vfat{bits}")), kib]);
    }
    let kinds = [
        ("squashfs", FileSystem::Squashfs),
        ("erofs", FileSystem::Erofs),
        ("ext4", FileSystem::Ext4),
        ("ext2", FileSystem::Ext4),
    ];
    let media = [
        ("iso9660", FileSystem::Iso9660),
        ("vfat12", FileSystem::Vfat),
        ("vfat16", FileSystem::Vfat),
        ("vfat32", FileSystem::Vfat),
    ];
    kinds.into_iter().chain(media).map(|(name, kind)| (kind, folder.join(name))).collect()
}

#[test]
fn file_system_label_and_uuid_are_those_of_blkid() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, path) in made(folder.path()) {
        let found = superblock_reader::read(&File::open(&path).unwrap(), "image").unwrap().unwrap();
        assert_eq!(found.kind, kind, "{path:?}");
        assert_eq!(found.label, blkid(&path, "LABEL"), "{path:?}");
        assert_eq!(found.uuid, blkid(&path, "UUID"), "{path:?}");
    }
}

/// Windows writes only the label in the root folder. Another name in the boot sector is an old one.
#[test]
fn the_label_of_a_fat_is_that_of_its_root_folder() {
    let folder = tempfile::tempdir().unwrap();
    let label = |path: &Path| superblock_reader::read(&File::open(path).unwrap(), "fat").unwrap().unwrap().label;
    for (kind, path) in made(folder.path()).into_iter().filter(|(kind, _)| *kind == FileSystem::Vfat) {
        let mut bytes = fs::read(&path).unwrap();
        let at = if path.ends_with("vfat32") { 71 } else { 43 };
        bytes[at..at + 11].copy_from_slice(b"OLD NAME   ");
        fs::write(&path, &bytes).unwrap();
        assert_eq!(label(&path).as_deref(), Some("FATLABEL"), "{kind:?} {path:?}");
        assert_eq!(label(&path), blkid(&path, "LABEL"), "{path:?}");
        // Without the entry there is no label. The kernel and blkid do not need the name of the kind either.
        let entry = bytes.windows(12).rposition(|part| part == b"FATLABEL   \x08").unwrap();
        bytes[entry] = 0xe5;
        bytes[54..62].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(label(&path), None, "{path:?}");
        assert_eq!(label(&path), blkid(&path, "LABEL"), "{path:?}");
    }
}

#[test]
fn a_fat_with_hostile_numbers_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    for (_, path) in made(folder.path()).into_iter().filter(|(kind, _)| *kind == FileSystem::Vfat) {
        let bytes = fs::read(&path).unwrap();
        for at in 11..48 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes[..bytes.len().min(1 << 20)].to_vec();
                bytes[at] = value;
                fs::write(&path, bytes).unwrap();
                superblock_reader::read(&File::open(&path).unwrap(), "fat").unwrap();
            }
        }
    }
}

#[test]
fn an_image_on_a_larger_device_has_the_length_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, path) in made(folder.path()).into_iter().filter(|(kind, _)| kind.is_image()) {
        let file = File::open(&path).unwrap();
        let bytes = file.metadata().unwrap().len();
        let superblock = superblock_reader::read(&file, "image").unwrap().unwrap();
        assert_eq!(length_on_device(&superblock, bytes, "x").unwrap(), bytes, "{kind:?}");
        assert_eq!(length_on_device(&superblock, bytes * 3, "x").unwrap(), bytes, "{kind:?}");
        assert!(length_on_device(&superblock, bytes / 2, "x").is_err(), "{kind:?}");
        let none = Superblock { bytes: 0, ..superblock };
        assert!(length_on_device(&none, bytes, "x").is_err(), "{kind:?}: nothing would be measured");
    }
}

#[test]
fn damaged_superblocks_are_read_without_harm() {
    let folder = tempfile::tempdir().unwrap();
    for (_, path) in made(folder.path()) {
        let file = fs::read(&path).unwrap();
        let head = &file[..file.len().min(HEAD)];
        // Truncated at each length, and with each byte of the fields set to several values.
        for end in (0..head.len().min(2048)).chain([head.len() - 1]) {
            probe(&head[..end]).ok();
        }
        let fields = (0..128).chain(510..512).chain(1024..1424).chain(32768..32900).chain(33580..33620);
        for at in fields.filter(|&at| at < head.len()) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut head = head.to_vec();
                head[at] = value;
                if let Ok(Some(found)) = probe(&head) {
                    length_on_device(&found, 1 << 40, "x").ok();
                }
            }
        }
    }
}
