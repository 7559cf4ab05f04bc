//! The archives of `measureroot initramfs`. cpio, zstd and gzip read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Ran, measureroot, run, text};

fn initramfs(output: &Path, arguments: &[&str]) -> Ran {
    measureroot(&[&["initramfs", "--output", text(output)], arguments].concat())
}

/// The list of `cpio -tvn`: mode, owner, group, then size or device numbers, then the path.
fn listed(archive: &Path) -> Vec<String> {
    let output = Command::new("cpio").args(["-tvn", "--quiet"]).stdin(fs::File::open(archive).unwrap()).output();
    let text = String::from_utf8(output.expect("cpio: install cpio").stdout).unwrap();
    // A date stands before the path. It depends on the time zone.
    let short = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let size = if words[4].ends_with(',') { words[4..6].join(" ") } else { words[4].to_owned() };
        format!("{} {} {} {size} {}", words[0], words[2], words[3], words[words.len() - 1])
    };
    text.lines().map(short).collect()
}

#[test]
fn cpio_reads_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
    fs::write(&agent, "agent").unwrap();
    let run = initramfs(&output, &["--agent", text(&agent), "--compress", "none"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        listed(&output),
        [
            "drwxr-xr-x 0 0 0 dev",
            "crw------- 0 0 5, 1 dev/console",
            "crw------- 0 0 1, 11 dev/kmsg",
            "crw-rw-rw- 0 0 1, 3 dev/null",
            "-rwxr-xr-x 0 0 5 init",
        ]
    );
}

#[test]
fn the_same_input_gives_the_same_bytes_at_any_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (compression, unpack) in [("zstd", "zstd"), ("gzip", "gzip"), ("none", "cat")] {
        let build = |copy: &str| {
            let agent = path(copy);
            fs::write(&agent, "agent ".repeat(1000)).unwrap();
            // The files of the two builds have other dates.
            let date = if copy == "one" { "2001-01-01" } else { "2031-01-01" };
            run("touch", &["-d", date, text(&agent)]);
            let output = path(&format!("{copy}.{compression}"));
            initramfs(&output, &["--agent", text(&agent), "--compress", compression]).printed();
            fs::read(output).unwrap()
        };
        let one = build("one");
        assert_eq!(one, build("two"), "{compression}");
        let input = fs::File::open(path(&format!("one.{compression}"))).unwrap();
        let mut unpacker = Command::new(unpack);
        if unpack != "cat" {
            unpacker.arg("-dc");
        }
        let content = unpacker.stdin(input).stdout(Stdio::piped()).output().unwrap().stdout;
        let plain = path("plain");
        initramfs(&plain, &["--agent", text(&path("one")), "--compress", "none"]);
        assert!(content == fs::read(plain).unwrap(), "{compression}");
    }
}

#[test]
fn modules_come_with_their_dependencies() {
    let folder = tempfile::tempdir().unwrap();
    let modules = folder.path().join("6.1.0-test");
    fs::create_dir_all(modules.join("kernel/fs")).unwrap();
    for name in ["overlay", "lib", "other"] {
        fs::write(modules.join(format!("kernel/fs/{name}.ko")), name).unwrap();
    }
    let dep = "kernel/fs/other.ko:\nkernel/fs/overlay.ko: kernel/fs/lib.ko\nkernel/fs/lib.ko:\n";
    fs::write(modules.join("modules.dep"), dep).unwrap();
    let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
    fs::write(&agent, "agent").unwrap();
    let build = |module: &str| {
        let (modules, agent) = (text(&modules), text(&agent));
        initramfs(&output, &["--agent", agent, "--kernel-modules", modules, "--module", module, "--compress", "none"])
    };
    build("overlay").printed();
    let names: Vec<_> = listed(&output).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    let has = |name: &str| names.contains(&format!("lib/modules/6.1.0-test/{name}"));
    assert!(has("kernel/fs/overlay.ko") && has("kernel/fs/lib.ko") && has("modules.dep") && !has("kernel/fs/other.ko"));
    let Ran { err, .. } = build("absent");
    assert!(err.contains("module absent"), "{err}");
}
