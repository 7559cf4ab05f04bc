//! Files on ext2, ext3 and ext4, read as GRUB reads them. mke2fs and debugfs made the file systems, and GRUB's own code reads the same
//! files (grub-fstest).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{run, text};
use measureroot::internal::chain::Disk;

const LIMIT: u64 = 1 << 30;

/// A folder with files of many lengths, a large folder, and links.
fn tree(top: &Path) -> PathBuf {
    let tree = top.join("tree");
    fs::create_dir_all(tree.join("boot/grub")).unwrap();
    fs::create_dir_all(tree.join("large")).unwrap();
    let bytes =
        |length: usize| -> Vec<u8> { (0..length).map(|at| u8::try_from(at * 7 / 512 % 251 + 1).unwrap()).collect() };
    for length in [0, 1, 1023, 1024, 12 * 1024, 12 * 1024 + 1, 300_000, 3_000_000] {
        fs::write(tree.join(format!("boot/{length}")), bytes(length)).unwrap();
    }
    for number in 0..400 {
        fs::write(tree.join(format!("large/a-file-with-a-long-name-{number}")), number.to_string()).unwrap();
    }
    let long = format!("{}boot/1023", "./".repeat(40));
    let links = [
        ("boot/1024", "short"),
        (&long, "long"),
        ("/boot", "absolute"),
        ("../boot/./1", "large/up"),
        ("none", "dangling"),
    ];
    for (target, name) in links {
        symlink(target, tree.join(name)).unwrap();
    }
    symlink("loop", tree.join("loop")).unwrap();
    for number in 1..=8 {
        let target = if number == 1 { "boot/1".to_owned() } else { format!("link{}", number - 1) };
        symlink(target, tree.join(format!("link{number}"))).unwrap();
    }
    tree
}

/// Makes a file system with these options.
fn made(top: &Path, options: &str, tree: &Path) -> PathBuf {
    let image = top.join("ext.img");
    fs::remove_file(&image).ok();
    let options: Vec<_> = options.split_whitespace().collect();
    run("mke2fs", &[&["-q", "-F"], &options[..], &["-d", text(tree), text(&image), "32M"]].concat());
    image
}

fn debugfs(image: &Path, request: &str) {
    run("debugfs", &["-w", "-R", request, text(image)]);
}

fn read(image: &File, path: &str) -> Result<Option<Vec<u8>>, String> {
    let disk = Disk::open(image, image.metadata().unwrap().len(), None).map_err(|error| error.to_string())?;
    let files = disk.volumes[0].files().map_err(|error| error.to_string())?;
    files.read(path, LIMIT).map_err(|error| error.to_string())
}

/// What GRUB reads. `None` if it opens no file.
fn of_grub(image: &Path, path: &str) -> Option<Vec<u8>> {
    let ran = Command::new("grub-fstest").args([text(image), "cat", &format!("(loop0)/{path}")]).output().unwrap();
    (ran.status.success() && ran.stderr.is_empty()).then_some(ran.stdout)
}

/// All paths of a folder, and some more.
fn paths(tree: &Path) -> Vec<String> {
    let boot = fs::read_dir(tree.join("boot"))
        .unwrap()
        .map(|entry| format!("boot/{}", entry.unwrap().file_name().into_string().unwrap()));
    let more = [
        "short",
        "long",
        "absolute/1024",
        "absolute",
        "large/up",
        "dangling",
        "link7",
        "link8",
        "loop",
        "none",
        "BOOT/1",
        "boot/1/x",
        "boot",
        "large/a-file-with-a-long-name-0",
        "large/a-file-with-a-long-name-77",
        "large/a-file-with-a-long-name-399",
    ];
    boot.chain(more.map(str::to_owned)).collect()
}

#[test]
fn files_are_those_that_grub_reads_whatever_the_features_are() {
    let top = tempfile::tempdir().unwrap();
    let tree = tree(top.path());
    let table = [
        "-t ext4",
        "-t ext4 -b 1024",
        "-t ext4 -b 4096 -O ^metadata_csum,^64bit",
        "-t ext4 -O metadata_csum_seed,large_dir,encrypt,mmp",
        "-t ext4 -b 4096 -O bigalloc -C 16384",
        "-t ext4 -b 1024 -g 256 -O meta_bg,^resize_inode",
        "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,sparse_super2 -I 128",
        "-t ext3 -b 1024",
        "-t ext2 -b 2048 -I 256",
        "-t ext2 -b 1024 -O ^filetype,^dir_index",
        "-t ext2 -r 0",
    ];
    for options in table {
        let image = made(top.path(), options, &tree);
        let file = File::open(&image).unwrap();
        for path in paths(&tree) {
            let expected = of_grub(&image, &path);
            let found = read(&file, &path).unwrap_or_else(|error| {
                assert!(error.contains("links"), "{options}: {error}");
                None
            });
            assert!(
                found == expected,
                "{options}: {path}: {:?} {:?}",
                found.map(|bytes| bytes.len()),
                expected.map(|bytes| bytes.len())
            );
            // An absolute link begins at the top of the file system.
            let own = tree.join(path.replace("absolute/", "boot/"));
            assert_eq!(found.is_some(), own.is_file() && path != "link8", "{options}: {path}");
            if let Some(found) = found {
                assert!(found == fs::read(own).unwrap(), "{options}: {path}");
            }
        }
        let disk = Disk::open(&file, file.metadata().unwrap().len(), None).unwrap();
        let files = disk.volumes[0].files().unwrap();
        assert_eq!(files.names("large").unwrap().len(), 401, "{options}");
        let folders = ["", "boot", "boot/grub", "absolute/grub", "absolute", "boot/1", "none/x", "Boot"]
            .map(|path| files.has_folder(path).unwrap());
        assert_eq!(folders, [true, true, true, true, false, false, false, false], "{options}");
        assert!(files.names("").unwrap().contains(&"dangling".to_owned()) && files.names("none").unwrap().is_empty());
        let error = files.read("boot/3000000", 2_999_999).unwrap_err().to_string();
        assert_eq!(error, "boot/3000000: longer than 2999999 bytes");
    }
}

/// What GRUB would read otherwise than Linux, or not at all.
#[test]
fn what_grub_reads_otherwise_is_refused_by_name() {
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("tree");
    fs::create_dir_all(tree.join("boot")).unwrap();
    fs::write(tree.join("boot/file"), "x".repeat(5000)).unwrap();
    let journal = "its journal has changes that are not in their places: GRUB does not see them";
    let table = [
        ("-t ext4", "feature needs_recovery", journal),
        ("-t ext4 -O casefold", "", "GRUB does not read a file system with casefold"),
        ("-t ext4 -O inline_data", "", "GRUB does not read a file system with inline_data"),
        ("-t ext4 -O ea_inode", "", "GRUB does not read a file system with ea_inode"),
        (
            "-t ext4",
            "set_super_value feature_incompat 0x42242",
            "GRUB does not read a file system with the unknown feature 0x40000",
        ),
        ("-t ext4 -b 1024 -O bigalloc", "", "GRUB does not read a file system with bigalloc and blocks of 1024 bytes"),
        ("-t ext4", "set_inode_field boot/file flags 0x80800", "is encrypted"),
        ("-t ext4 -O encrypt", "set_inode_field boot flags 0x80800", "is encrypted"),
        ("-t ext4", "set_inode_field boot/file block[0] 0", "has a wrong tree of extents"),
        ("-t ext4", "punch boot/file 0 0", "begins with a hole, which GRUB does not read"),
    ];
    for (options, request, expected) in table {
        let image = made(top.path(), options, &tree);
        debugfs(&image, request);
        let error = read(&File::open(&image).unwrap(), "boot/file").unwrap_err();
        assert!(error.contains(expected), "{options}: {request}: {error}");
        if expected != journal {
            assert_eq!(of_grub(&image, "boot/file"), None, "{options}: {request}");
        }
    }
}

/// A power cut: the journal has a block of the file that is not in its place.
#[test]
fn a_journal_that_was_not_replayed_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "x".repeat(1024)).unwrap();
    let image = made(top.path(), "-t ext4 -b 1024 -O ^metadata_csum", &tree);
    let (new, requests) = (top.path().join("new"), top.path().join("requests"));
    fs::write(&new, "y".repeat(1024)).unwrap();
    let block = run("debugfs", &["-R", "blocks file", text(&image)]);
    fs::write(&requests, format!("jo\njw -b {} {}\njc\n", block.trim(), text(&new))).unwrap();
    run("debugfs", &["-w", "-f", text(&requests), text(&image)]);
    // GRUB reads what was there before, and Linux what the journal has.
    assert_eq!(of_grub(&image, "file").unwrap(), "x".repeat(1024).into_bytes());
    let error = read(&File::open(&image).unwrap(), "file").unwrap_err();
    assert!(
        error.starts_with("ext4: its journal has changes that are not in their places") && error.contains("e2fsck"),
        "{error}"
    );
    Command::new("e2fsck").args(["-fp", text(&image)]).output().unwrap();
    assert_eq!(read(&File::open(&image).unwrap(), "file").unwrap().unwrap(), "y".repeat(1024).into_bytes());
    assert_eq!(of_grub(&image, "file").unwrap(), "y".repeat(1024).into_bytes());
}

/// Blocks that were reserved and not written: Linux reads zeros, GRUB what was there before.
#[test]
fn blocks_that_were_not_written_are_refused_and_holes_are_read() {
    let top = tempfile::tempdir().unwrap();
    let tree = top.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "x".repeat(1024)).unwrap();
    for options in ["-t ext4 -b 1024", "-t ext3 -b 1024"] {
        let image = made(top.path(), options, &tree);
        // Far behind the first block, a hole that ends with the file.
        debugfs(&image, "set_inode_field file size 20000");
        let found = read(&File::open(&image).unwrap(), "file").unwrap().unwrap();
        assert_eq!(found.len(), 20000);
        assert!(found == of_grub(&image, "file").unwrap(), "{options}");
        if options.contains("ext4") {
            debugfs(&image, "fallocate file 3 5");
            let error = read(&File::open(&image).unwrap(), "file").unwrap_err();
            assert!(error.starts_with("file: file: has blocks that were reserved and not written"), "{error}");
            debugfs(&image, "set_inode_field file size 3000");
            assert!(read(&File::open(&image).unwrap(), "file").unwrap().unwrap() == of_grub(&image, "file").unwrap());
        }
    }
}

/// The seeds of the fuzz target with each byte of their structures changed: an error or other bytes, and an end in time.
#[test]
fn a_damaged_file_system_is_read_or_refused() {
    for seed in ["extents", "numbered", "meta_bg"] {
        let mut bytes = fs::read(format!("fuzz/corpus/ext4/{seed}")).unwrap();
        let read_all = |bytes: &Vec<u8>| {
            let disk = Disk::open(bytes, bytes.len() as u64, None).ok()?;
            let files = disk.volumes.first()?.files().ok()?;
            for folder in ["", "boot", "boot/grub", "link"] {
                for name in files.names(folder).unwrap_or_default() {
                    let file = files.read(&format!("{folder}/{name}"), LIMIT).ok().flatten().unwrap_or_default();
                    assert!(file.len() <= bytes.len());
                }
            }
            files.read("boot/cfg", LIMIT).ok().flatten()
        };
        assert_eq!(read_all(&bytes).unwrap(), b"set a=b\n", "{seed}");
        let places: Vec<_> =
            (1024..bytes.len()).filter(|&at| at < 1300 || !matches!(bytes[at], 0 | 0xFF | b'x')).collect();
        assert!(places.len() > 400, "{seed}: {}", places.len());
        for at in places {
            let right = bytes[at];
            for wrong in [0, 0xFF, right ^ 0x10] {
                bytes[at] = wrong;
                read_all(&bytes);
            }
            bytes[at] = right;
        }
        // A disk that was cut off.
        for length in (0..bytes.len()).step_by(512) {
            read_all(&bytes[..length].to_vec());
        }
    }
}
