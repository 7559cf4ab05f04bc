//! The archives of `measureroot initramfs`. cpio, zstd and gzip read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::elf::{ARM64, MODULE, PC, PROGRAM, agent, elf};
use common::{Ran, measureroot, run, text};

fn initramfs(output: &Path, arguments: &[&str]) -> Ran {
    measureroot(&[&["initramfs", "--output", text(output)], arguments].concat())
}

/// Writes an agent for PCs.
fn write_agent(path: &Path) {
    fs::write(path, agent("agent")).unwrap();
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
    write_agent(&agent);
    let run = initramfs(&output, &["--agent", text(&agent), "--compress", "none"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        listed(&output),
        [
            "drwxr-xr-x 0 0 0 dev",
            "crw------- 0 0 5, 1 dev/console",
            "crw------- 0 0 1, 11 dev/kmsg",
            "crw-rw-rw- 0 0 1, 3 dev/null",
            "-rwxr-xr-x 0 0 88 init",
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
            fs::write(&agent, common::elf::agent(&"agent ".repeat(1000))).unwrap();
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
fn another_archive_can_be_put_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut remainders = [0; 4];
    for length in 0..12 {
        fs::write(path("agent"), agent(&"0123456789 agent"[..length])).unwrap();
        for (compression, test) in [("zstd", "zstd -tq"), ("gzip", "gzip -t"), ("none", "cpio -t --quiet")] {
            let output = path(compression);
            initramfs(&output, &["--agent", text(&path("agent")), "--compress", compression]).printed();
            let bytes = fs::read(&output).unwrap();
            assert_eq!(bytes.len() % 4, 0, "{compression}: {} bytes", bytes.len());
            // The programs that list an initramfs accept it without a word.
            let said = run("bash", &["-c", &format!("{test} <\"$1\" 2>&1 >/dev/null"), "bash", text(&output)]);
            assert_eq!(said, "", "{compression}");
            if compression == "gzip" {
                remainders[bytes.iter().rev().take_while(|&&byte| byte == 0).count().min(3)] += 1;
            }
        }
    }
    assert!(remainders.iter().filter(|&&count| count > 0).count() > 1, "{remainders:?}");
}

#[test]
fn an_agent_that_could_not_start_is_refused_and_the_old_output_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
    fs::write(&output, "old").unwrap();
    for (bytes, cause) in [
        (b"#!/bin/sh\n".to_vec(), "is not an ELF program"),
        (elf(MODULE, PC, ""), "is an ELF file, but not a program"),
        (fs::read("/bin/sh").unwrap(), "needs the loader /lib"),
        (elf(PROGRAM, PC, "another program"), "is a static program, but not the agent"),
    ] {
        fs::write(&agent, bytes).unwrap();
        let ran = initramfs(&output, &["--agent", text(&agent)]);
        assert!(ran.code == 1 && ran.err.contains(cause) && ran.err.contains("target/initramfs/init"), "{ran:?}");
    }
    write_agent(&agent);
    // The disk is full: nothing may be left of a part.
    let limited = "ulimit -f 1; trap '' XFSZ; head -c 9999 /dev/urandom | base64 -w 0 >>\"$3\" 2>/dev/null || true
        exec \"$1\" initramfs --output \"$2\" --agent \"$3\" --compress none";
    let paths = [text(common::program()), text(&output), text(&agent)];
    let ran: Ran = Command::new("bash").args(["-c", limited, "bash"]).args(paths).output().unwrap().into();
    assert!(ran.code == 1 && ran.err.contains("a.cpio: File too large"), "{ran:?}");
    assert_eq!(fs::read(&output).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a part of the output is left");
}

/// A module folder with these two files, each a name and its content; the first one needs the second.
fn module_folder(folder: &Path, files: &[(&str, Vec<u8>); 2]) -> String {
    let modules = folder.join("6.1.0-test");
    fs::create_dir_all(modules.join("kernel")).unwrap();
    for (name, bytes) in files {
        fs::write(modules.join("kernel").join(name), bytes).unwrap();
    }
    let [(one, _), (two, _)] = files;
    fs::write(modules.join("modules.dep"), format!("kernel/{one}: kernel/{two}\nkernel/{two}:\n")).unwrap();
    text(&modules).to_owned()
}

#[test]
fn modules_that_this_boot_could_not_load_are_refused() {
    let plain = || elf(MODULE, PC, "");
    for (files, cause) in [
        ([("overlay.ko", plain()), ("lib.ko", plain())], ""),
        ([("overlay.ko.gz", plain()), ("lib.ko", plain())], "overlay.ko.gz: cannot be unpacked"),
        ([("overlay.ko", plain()), ("lib.ko.xz", plain())], "lib.ko.xz: cannot be unpacked"),
        ([("overlay.ko.lz4", plain()), ("lib.ko", plain())], "*.ko.lz4 is none of *.ko.gz, *.ko.xz and *.ko.zst"),
        ([("overlay.ko", plain()), ("lib.ko", vec![])], "is not a kernel module"),
        ([("overlay.ko", plain()), ("lib.ko", elf(MODULE, ARM64, ""))], "is for aarch64, but the agent is for x86_64"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
        write_agent(&agent);
        let modules = module_folder(folder.path(), &files);
        let ran = initramfs(&output, &["--agent", text(&agent), "--kernel-modules", &modules, "--module", "overlay"]);
        assert_eq!((ran.code == 0, output.exists()), (cause.is_empty(), cause.is_empty()), "{cause}: {ran:?}");
        assert!(ran.err.contains(cause), "{cause}: {ran:?}");
    }
}

#[test]
fn modules_of_a_kernel_without_depmod_s_list_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
    write_agent(&agent);
    let modules = module_folder(folder.path(), &[("overlay.ko", elf(MODULE, PC, "")), ("lib.ko", elf(MODULE, PC, ""))]);
    fs::remove_file(Path::new(&modules).join("modules.dep")).unwrap();
    let ran = initramfs(&output, &["--agent", text(&agent), "--kernel-modules", &modules, "--module", "overlay"]);
    assert!(ran.code == 1 && !output.exists(), "{ran:?}");
    assert!(ran.err.contains("modules.dep: ") && ran.err.contains("run depmod for this kernel first"), "{ran:?}");
}

#[test]
fn modules_come_with_their_dependencies() {
    let folder = tempfile::tempdir().unwrap();
    let modules = folder.path().join("6.1.0-test");
    fs::create_dir_all(modules.join("kernel/fs")).unwrap();
    for name in ["overlay", "lib", "other"] {
        fs::write(modules.join(format!("kernel/fs/{name}.ko")), elf(MODULE, PC, name)).unwrap();
    }
    let dep = "kernel/fs/other.ko:\nkernel/fs/overlay.ko: kernel/fs/lib.ko\nkernel/fs/lib.ko:\n";
    fs::write(modules.join("modules.dep"), dep).unwrap();
    let (agent, output) = (folder.path().join("agent"), folder.path().join("a.cpio"));
    write_agent(&agent);
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
