//! The archives of `measureroot initramfs`. cpio, zstd and gzip read them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::elf::{ARM64, MODULE, PC, PROGRAM, agent, elf, module, module_with};
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

/// The kernel of the module folders.
const KERNEL: &str = "6.1.0-test";

/// An agent, and the module folder of a kernel.
struct Packing {
    folder: tempfile::TempDir,
    modules: PathBuf,
}

impl Packing {
    /// The folder has this modules.dep, and these files below kernel/.
    fn new(dep: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_agent(&folder.path().join("agent"));
        let modules = folder.path().join(KERNEL);
        fs::create_dir_all(modules.join("kernel")).unwrap();
        fs::write(modules.join("modules.dep"), dep).unwrap();
        for list in ["modules.softdep", "modules.builtin"] {
            fs::write(modules.join(list), "").unwrap();
        }
        for (name, bytes) in files {
            fs::write(modules.join("kernel").join(name), bytes).unwrap();
        }
        Self { folder, modules }
    }

    /// The folder has two modules, and the first one needs the second.
    fn of_two([(one, bytes), (two, others)]: [(&str, Vec<u8>); 2]) -> Self {
        let dep = format!("kernel/{one}: kernel/{two}\nkernel/{two}:\n");
        Self::new(&dep, &[(one, bytes), (two, others)])
    }

    /// Both modules are as they should be.
    fn whole() -> Self {
        Self::of_two([("overlay.ko", module(PC, "overlay", KERNEL)), ("lib.ko", module(PC, "lib", KERNEL))])
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("a.cpio")
    }

    /// Packs this module.
    fn pack(&self, module: &str) -> Ran {
        let (agent, modules) = (self.folder.path().join("agent"), text(&self.modules));
        let choice = ["--kernel-modules", modules, "--module", module, "--compress", "none"];
        initramfs(&self.output(), &[&["--agent", text(&agent)], &choice[..]].concat())
    }
}

/// Packs the module overlay of a folder with these two files, and checks that the message has `cause`; without a cause, it must succeed.
fn check_packing(files: [(&str, Vec<u8>); 2], cause: &str) {
    let packing = Packing::of_two(files);
    let ran = packing.pack("overlay");
    assert_eq!((ran.code == 0, packing.output().exists()), (cause.is_empty(), cause.is_empty()), "{cause}: {ran:?}");
    assert!(ran.err.contains(cause), "{cause}: {ran:?}");
}

#[test]
fn modules_that_this_boot_could_not_load_are_refused() {
    let lib = || module(PC, "lib", KERNEL);
    let overlay = || ("overlay.ko", module(PC, "overlay", KERNEL));
    check_packing([overlay(), ("lib.ko", lib())], "");
    for (name, bytes, cause) in [
        ("lib.ko.gz", lib(), "lib.ko.gz: cannot be unpacked"),
        ("lib.ko.xz", lib(), "lib.ko.xz: is no xz file (is the kernel's package whole?"),
        (
            "lib.ko.lz4",
            lib(),
            "*.ko.lz4 is none of *.ko.gz, *.ko.xz and *.ko.zst (unpack it with the program that packed it",
        ),
        ("lib.ko", vec![], "is not a kernel module"),
        ("lib.ko", elf(MODULE, PC, ""), "lib.ko: does not say which kernel it was built for (vermagic)"),
        ("lib.ko", module(ARM64, "lib", KERNEL), "is for aarch64, but the agent is for x86_64"),
    ] {
        check_packing([overlay(), (name, bytes)], cause);
    }
    // The order of the processor's bytes (elf(5), EI_DATA). A header alone cannot be read as another one, so the agent is of another kind.
    let mut bytes = module(PC, "lib", KERNEL);
    bytes[4] = 1;
    check_packing([overlay(), ("lib.ko", bytes)], "lib.ko: ");
}

/// The kernel compares the version of a module with its own, and no name at all.
#[test]
fn a_module_of_another_kernel_or_with_another_name_is_refused() {
    let overlay = || ("overlay.ko", module(PC, "overlay", KERNEL));
    for (name, bytes, cause) in [
        (
            "lib.ko",
            module(PC, "lib", "6.1.0-cloud"),
            "kernel/lib.ko: was built for the kernel 6.1.0-cloud, but the folder is that of 6.1.0-test (",
        ),
        ("lib.ko", module(PC, "squashfs", KERNEL), "kernel/lib.ko: is the module squashfs, not lib ("),
        ("lib-a.ko", module(PC, "lib_a", KERNEL), ""),
        // Before Linux 4.13.
        ("lib.ko", module_with(PC, "vermagic=6.1.0-test SMP \0"), ""),
        ("lib.ko", module_with(PC, "name=lib\0"), "lib.ko: does not say which kernel it was built for"),
    ] {
        check_packing([overlay(), (name, bytes)], cause);
    }
    // A folder with the name of no kernel.
    let other = ("overlay.ko", module(PC, "overlay", "6.1.0"));
    check_packing(
        [other, ("lib.ko", module(PC, "lib", "6.1.0"))],
        "was built for the kernel 6.1.0, but the folder is that of 6.1.0-test (",
    );
}

/// RHEL and SUSE link modules of another kernel there that has the same interface.
#[test]
fn a_module_that_the_distribution_calls_compatible_is_packed() {
    let mut packing = Packing::new("weak-updates/overlay.ko:\n", &[]);
    let path = |name: &str| packing.folder.path().join(name);
    fs::create_dir(packing.modules.join("weak-updates")).unwrap();
    fs::write(path("overlay.ko"), module(PC, "overlay", "6.0.9-test")).unwrap();
    std::os::unix::fs::symlink("../../overlay.ko", packing.modules.join("weak-updates/overlay.ko")).unwrap();
    let link = path("link");
    std::os::unix::fs::symlink(KERNEL, &link).unwrap();
    packing.modules = link;
    assert!(!packing.pack("overlay").err.contains("is a link to"));
    packing.modules = path("6.9.9");
    std::os::unix::fs::symlink(KERNEL, &packing.modules).unwrap();
    let ran = packing.pack("overlay");
    assert!(ran.code == 0 && ran.err.contains("6.9.9 is a link to the folder of the kernel 6.1.0-test"), "{ran:?}");
}

/// What people name instead of the folder of a kernel.
#[test]
fn a_folder_that_is_no_kernel_s_is_named_with_the_right_one() {
    let mut packing = Packing::whole();
    for (name, cause) in [("none", "name the folder of a kernel, /lib/modules/VERSION"), (".", "else name that one)")] {
        packing.modules = packing.folder.path().join(name);
        let ran = packing.pack("overlay");
        assert!(ran.code == 1 && ran.err.contains(cause), "{name}: {ran:?}");
    }
}

/// A list that a person, or a copy that broke off, has changed.
#[test]
fn a_damaged_list_of_depmod_is_named_with_its_line() {
    for (list, content, code, said) in [
        (
            "modules.dep",
            &b"kernel/overlay.ko:\nkernel/lib.ko\n"[..],
            1,
            "/modules.dep, line 2: a line has no colon (run depmod for this",
        ),
        (
            "modules.dep",
            b"\nkernel/overlay.ko:\n../lib.ko:\n",
            1,
            "/modules.dep, line 3: ../lib.ko is outside the folder (run depmod",
        ),
        ("modules.dep", b"kernel/overlay.ko:", 0, "/modules.dep: its last line has no end, so the list may be cut off"),
        (
            "modules.alias",
            b"alias fs-overlay overlay\nalias \xff b\n",
            1,
            "/modules.alias, line 2: is not UTF-8, as a list",
        ),
        ("modules.softdep", b"\xff\n", 1, "/modules.softdep, line 1: is not UTF-8"),
        ("modules.builtin", b"a\nb\n\xff", 1, "/modules.builtin, line 3: is not UTF-8"),
        (
            "modules.alias",
            b"alias fs-overlay over",
            0,
            "/modules.alias: its last line has no end, so the list may be cut off",
        ),
        ("modules.alias", b"", 0, "/modules.alias: is missing or empty: the boot loads all modules of the initramfs"),
        ("modules.alias", b"alias fs-overlay overlay\n", 0, ""),
    ] {
        let packing = Packing::whole();
        fs::write(packing.modules.join("modules.alias"), "alias fs-overlay overlay\n").unwrap();
        fs::write(packing.modules.join(list), content).unwrap();
        let ran = packing.pack("overlay");
        assert!(ran.code == code && ran.err.contains(said), "{list}: {said}: {ran:?}");
        assert_eq!(said.is_empty(), !ran.err.contains("depmod"), "{ran:?}");
    }
}

/// What the program xz can write: some of it is more than this command reads.
#[test]
fn a_compression_that_measureroot_lacks_is_named() {
    let bytes = module(PC, "lib", KERNEL);
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, [bytes.as_slice(), &b"more than one block ".repeat(4000)].concat()).unwrap();
    for (command, cause) in [
        ("xz --check=crc32 --lzma2=dict=1MiB", ""),
        ("xz --check=crc64", ""),
        ("xz --check=none", ""),
        ("xz --threads=2 --block-size=8192", ""),
        (
            "xz --check=sha256",
            "lib.ko.xz: is an xz file with a SHA-256 (--check=sha256), which measureroot cannot unpack (unpack it with",
        ),
        (
            "xz --check=crc32 --x86 --lzma2",
            "lib.ko.xz: is an xz file with a filter before LZMA2 (BCJ or delta), which ",
        ),
        ("bash -c 'xz -c; echo | xz -c' bash", "lib.ko.xz: is an xz file with several streams, which "),
    ] {
        let packed =
            Command::new("bash").args(["-c", &format!("{command} <\"$1\""), "bash", text(&plain)]).output().unwrap();
        assert!(packed.status.success(), "{command}: {packed:?}");
        check_packing([("overlay.ko", module(PC, "overlay", KERNEL)), ("lib.ko.xz", packed.stdout)], cause);
    }
}

/// A list of depmod has some thousand modules and short chains. A hostile one must not overflow the stack or take for ever.
#[test]
fn a_long_chain_of_dependencies_is_packed() {
    let line = |link| format!("kernel/m{link}.ko: kernel/m{}.ko\n", link + 1);
    let lines = (0..60_000).map(line).collect::<Vec<_>>().concat();
    let begun = std::time::Instant::now();
    let ran = Packing::new(&format!("{lines}kernel/m60000.ko:\n"), &[]).pack("m0");
    // The first file to load is not there.
    assert!(ran.code == 1 && ran.err.contains("kernel/m60000.ko: "), "{ran:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn modules_of_a_kernel_without_depmod_s_list_are_refused() {
    let packing = Packing::whole();
    fs::remove_file(packing.modules.join("modules.dep")).unwrap();
    let ran = packing.pack("overlay");
    assert!(ran.code == 1 && !packing.output().exists(), "{ran:?}");
    assert!(
        ran.err.contains("modules.dep: ") && ran.err.contains("run depmod for this kernel first; else name that one)"),
        "{ran:?}"
    );
}

#[test]
fn modules_come_with_their_dependencies() {
    let dep = "kernel/other.ko:\nkernel/overlay.ko: kernel/lib.ko\nkernel/lib.ko:\n";
    let file = |name| module(PC, name, KERNEL);
    let files = [("overlay.ko", file("overlay")), ("lib.ko", file("lib")), ("other.ko", file("other"))];
    let packing = Packing::new(dep, &files);
    packing.pack("overlay").printed();
    let output = packing.output();
    let names: Vec<_> = listed(&output).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    let has = |name: &str| names.contains(&format!("lib/modules/6.1.0-test/{name}"));
    assert!(has("kernel/overlay.ko") && has("kernel/lib.ko") && has("modules.dep") && !has("kernel/other.ko"));
    let Ran { err, .. } = packing.pack("absent");
    assert!(err.contains("module absent"), "{err}");
}
