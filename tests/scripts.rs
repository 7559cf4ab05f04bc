//! The scripts that a person runs: their help, and what they install.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{ROOT, Ran};

/// The folders of scripts that a person runs.
const FOLDERS: [&str; 5] = [".ci", "benches", "initramfs", "kernel-fragments", "test-vm"];
/// Scripts that a person runs and that are not directly in these folders.
const OTHERS: [&str; 3] =
    ["initramfs/installed/live", "initramfs/installed/openembedded/update-crates", "initramfs/tss2/static/fetch"];

/// The scripts, as paths in the checkout.
fn scripts() -> Vec<String> {
    let executable = |path: &Path| path.is_file() && fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0;
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| executable(path));
        files.map(|path| format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap())).collect::<Vec<_>>()
    };
    FOLDERS.iter().flat_map(|folder| in_folder(folder)).chain(OTHERS.map(str::to_owned)).collect()
}

#[test]
fn each_script_has_help_and_does_nothing_else_then() {
    let empty = tempfile::tempdir().unwrap();
    for script in scripts() {
        // The program itself has the help of this one.
        if script == "kernel-fragments/check" {
            continue;
        }
        // From another folder, without apt and cargo: a script that began its work would fail.
        let mut command = Command::new(Path::new(ROOT).join(&script));
        let ran: Ran = command
            .arg("--help")
            .current_dir(empty.path())
            .env_remove("CARGO")
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
            .into();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{script}");
        assert!(
            ran.out.len() > 60 && !ran.out.lines().any(|line| line.starts_with('#') || line.starts_with("set -")),
            "{script}: {}",
            ran.out
        );
    }
}

/// Runs `need_packages wanted` with stand-ins for dpkg-query, which knows no package, and for apt-get. apt-get ends with `status`, and
/// its simulation removes `in_the_way`. The packages in `may_remove` may go. Returns the calls of apt-get as well.
fn need_packages(status: i32, in_the_way: &str, may_remove: &str) -> (Ran, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, body: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let calls = folder.path().join("calls");
    program("dpkg-query", "exit 1");
    let simulation = format!(
        "case $* in *--simulate*) echo 'Inst wanted (1)'; [ -z '{in_the_way}' ] || echo 'Remv {in_the_way} [1]';; esac"
    );
    program("apt-get", &format!("echo \"$*\" >>'{}'; {simulation}; exit {status}", calls.display()));
    program("sudo", "exec \"$@\"");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", ". initramfs/lib/packages.sh; need_packages wanted"])
        .current_dir(ROOT)
        .env("PATH", path)
        .env("MEASUREROOT_MAY_REMOVE", may_remove)
        .output()
        .unwrap()
        .into();
    (ran, fs::read_to_string(calls).unwrap())
}

#[test]
fn no_script_removes_a_package_that_its_user_did_not_name() {
    // The exit code of apt-get, what it would have to remove, what may go; the exit code, what is said, how apt-get installs.
    let table = [
        (0, "", "", 0, "", Some(" --no-remove ")),
        (100, "", "qemu-utils", 1, "could not install wanted", Some(" --no-remove ")),
        (0, "qemu-utils", "", 1, "only if it removed: qemu-utils", None),
        (0, "qemu-utils", "qemu qemu-utils-extra", 1, "only if it removed: qemu-utils", None),
        (0, "qemu-utils", "other qemu-utils", 0, "", Some(" --yes --no-install-recommends ")),
    ];
    for (status, in_the_way, may_remove, code, said, how) in table {
        let (ran, calls) = need_packages(status, in_the_way, may_remove);
        assert!(ran.code == code && ran.err.contains(said), "{in_the_way}, {may_remove}: {ran:?}");
        let installs: Vec<_> = calls.lines().filter(|call| call.contains(" install --yes")).collect();
        assert_eq!(installs.is_empty(), how.is_none(), "{calls}");
        assert!(installs.iter().all(|call| how.is_some_and(|how| call.contains(how))), "{calls}");
    }
}

/// Cargo compares only the times of files, and those of a target folder from another checkout can be newer.
#[test]
fn a_library_that_another_build_script_made_is_not_linked() {
    let folder = tempfile::tempdir().unwrap();
    let agent = folder.path().join("agent");
    let places = ["target/release", "release"].map(|place| agent.join(place));
    let run = || {
        let script = format!(
            "set -euo pipefail; repo='{ROOT}'; AGENT_TARGET=target; . \"$repo/initramfs/lib/static.sh\"; \
             forget_old_library '{}'",
            agent.display()
        );
        let ran: Ran = Command::new("bash").args(["-c", &script]).output().unwrap().into();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    };
    let make = || {
        for part in places.iter().flat_map(|place| [place.join("build"), place.join(".fingerprint")]) {
            fs::create_dir_all(part.join("tss2-static-0123")).unwrap();
            fs::create_dir_all(part.join("tss2-tcti-0123")).unwrap();
        }
    };
    let left = || places.iter().filter(|place| place.join("build/tss2-static-0123").exists()).count();
    // A new folder, then one that is not known.
    run();
    fs::remove_file(agent.join("tss2-static")).unwrap();
    make();
    run();
    assert_eq!(left(), 0);
    assert!(places.iter().all(|place| place.join(".fingerprint/tss2-tcti-0123").exists()));
    assert!(!places.iter().any(|place| place.join(".fingerprint/tss2-static-0123").exists()));
    // One that this build script made.
    make();
    run();
    assert_eq!(left(), 2);
    // One that an older build script made.
    fs::write(agent.join("tss2-static"), "0123  -\n").unwrap();
    run();
    assert_eq!(left(), 0);
}
