//! The opening of an image on a hostile medium. A folder stands in for the mounted medium.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{run, text};
use measureroot::internal::cmdline::tokens;
use measureroot::internal::config::Config;
use measureroot::internal::media::{Content, FileSystem, Found, MountedMedium};

/// A medium with a squashfs at `images/root` and traps beside it. The folder `outside` is next to the medium, not on it.
fn medium(folder: &Path) -> std::path::PathBuf {
    let top = folder.join("medium");
    fs::create_dir_all(top.join("images")).unwrap();
    fs::create_dir_all(folder.join("outside")).unwrap();
    fs::write(folder.join("outside/file"), "content").unwrap();
    let squash = |from: &Path, to: &Path| {
        run("mksquashfs", &[text(from), text(to), "-quiet", "-no-progress"]);
    };
    squash(&folder.join("outside"), &top.join("images/root"));
    squash(&folder.join("outside"), &folder.join("outside/image"));
    symlink("root", top.join("images/link")).unwrap();
    symlink("../../outside/image", top.join("images/climber")).unwrap();
    symlink(folder.join("outside/image"), top.join("images/absolute")).unwrap();
    symlink("loop", top.join("images/loop")).unwrap();
    symlink(folder.join("outside"), top.join("elsewhere")).unwrap();
    fs::write(top.join("images/text"), "no image").unwrap();
    fs::write(top.join("images/empty"), "").unwrap();
    let copy = |name: &str| {
        let path = top.join("images").join(name);
        fs::copy(top.join("images/root"), &path).unwrap();
        fs::OpenOptions::new().write(true).open(path).unwrap()
    };
    copy("short").set_len(200).unwrap();
    let mut odd = copy("odd");
    odd.seek(SeekFrom::End(0)).unwrap();
    odd.write_all(b"x").unwrap();
    run("mkfifo", &[text(&top.join("images/fifo"))]);
    top
}

fn mounted(top: &Path) -> MountedMedium<'_> {
    MountedMedium { top, node: Path::new("/dev/vda"), found: Found::Named }
}

fn config() -> Config {
    Config::parse(&tokens::parse(b"root=/dev/vda rootimg=/x")).unwrap()
}

#[test]
fn the_image_is_opened_by_its_path_and_through_a_link_that_stays_on_the_medium() {
    let folder = tempfile::tempdir().unwrap();
    let top = medium(folder.path());
    for path in ["images/root", "images/link"] {
        let image = mounted(&top).open(path, config().image_request()).unwrap().unwrap();
        let Content::Plain(superblock) = &image.content else { panic!("{:?}", image.content) };
        let bytes = fs::metadata(top.join(path)).unwrap().len();
        assert_eq!((superblock.kind, image.bytes), (FileSystem::Squashfs, bytes));
        assert_eq!(image.to_string(), format!("/{path} on /dev/vda"));
    }
}

#[test]
fn every_other_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let top = medium(folder.path());
    let error = |path: &str| match mounted(&top).open(path, config().image_request()) {
        Ok(found) => format!("found: {}", found.is_some()),
        Err(error) => error.to_string(),
    };
    let table = [
        ("images/absent", "found: false"),
        ("images/root/below", "found: false"),
        ("images/climber", "leads out of the medium"),
        ("images/absolute", "leads out of the medium"),
        ("elsewhere/image", "leads out of the medium"),
        ("../outside/image", "leads out of the medium"),
        ("images/loop", "symbolic links lead to each other"),
        ("images/text", "no known file system"),
        ("images/empty", "no known file system"),
        ("images/fifo", "not a regular file"),
        ("images", "not a regular file"),
        ("images/short", " bytes, the file has 200"),
    ];
    for (path, part) in table {
        assert!(error(path).contains(part), "{path}: {}", error(path));
    }
}
