//! What a person sees of the program: explain, help, completion, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn measureroot(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_measureroot")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The command line of an image that is found by systemd's rule.
const PREPARED: &str = "roothash=00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[test]
fn explain_says_what_each_parameter_does() {
    let table = [
        ("root=/dev/vda", "/dev/vda: as many bytes as its file system has"),
        ("root=LABEL=x rootimg=/a rootfstype=vfat", "the file /a on LABEL=x, which must be vfat"),
        ("rootimg=/a", "the file /a on any block device, for at most 30 s"),
        ("root=/dev/vda rootwait", "/dev/vda, for ever"),
        ("root=/dev/vda rootdelay=3", "pause for 3 s"),
        ("root=/dev/vda rootflags=threads=multi", "mounted with threads=multi"),
        ("root=/dev/vda", "an HMAC session, salted with a key of the TPM's null hierarchy; no session if the TPM says"),
        ("root=/dev/vda measureroot.session=hmac", "null hierarchy; an error if the TPM supports none"),
        ("root=/dev/vda measureroot.session=none", "no session: an attacker on the bus to the TPM can change"),
        ("root=/dev/vda rootimgpcr=9", "PCR 9 with the image's digest in each bank"),
        ("root=/dev/vda measureroot.format=meta-measured", "the digest of the hex digits of the image's digest"),
        ("root=live:LABEL=x rd.live.ram", "\n  root=live:LABEL=x: root=/dev/disk/by-label/x\n"),
        ("root=live:LABEL=x rd.live.ram", "the file /LiveOS/squashfs.img on LABEL=x"),
        ("boot=live toram", "\n  toram: measureroot.seal=ram\n  boot=live: rootimg=live/filesystem.squashfs\n"),
        ("root=/dev/vda overlayroot=tmpfs", "\n  overlayroot=tmpfs: nothing to be done\n"),
        ("root=/dev/vda ro", "-o ro,lowerdir="),
        ("root=/dev/vda measureroot.overlaysize=1g", "size=1g"),
        ("root=/dev/vda init=/bin/x", "start init\n  /bin/x\n"),
        ("root=/dev/vda loop.max_loop=3", "loop with max_loop=\"3\""),
        ("root=/dev/vda measureroot.timeout=5", "/dev/tpm0, for at most 5 s"),
        ("root=/dev/vda measureroot=off", "THE IMAGE IS NOT MEASURED"),
        ("root=/dev/vda measureroot.seal=ram", "a copy in RAM"),
        ("root=/dev/vda measureroot.seal=none", "the medium can answer later reads differently, unnoticed"),
        ("root=/dev/vda measureroot.oncorrupt=panic", "dm-verity panics"),
        (PREPARED, "PARTUUID=00112233-4455-6677-8899-aabbccddeeff, for at most 30 s"),
        (PREPARED, "PARTUUID=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0, for the Merkle tree, for at most 30 s"),
        (PREPARED, "the image, which is not read"),
        (PREPARED, "the digest of \"measureroot: roothash=00112233445566778899aabbccddeeff0f1e2d3c"),
        (PREPARED, "at byte 0 of PARTUUID=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0; dm-verity fails every later read"),
        ("root=/dev/vda measureroot.onfail=halt panic=7", "after 7 s halt"),
        ("root=/dev/vda panic=0", "wait for ever"),
    ];
    for (line, part) in table {
        let output = measureroot(&["explain", line]);
        assert!(output.status.success() && text(&output.stdout).contains(part), "{line}: {}", text(&output.stdout));
    }
}

#[test]
fn explain_ends_with_the_error_that_the_boot_would_end_with() {
    let output = measureroot(&["explain", "root=/dev/vda measureroot.x=1 measureroot.onfail=poweroff"]);
    assert_eq!(output.status.code(), Some(1));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(out.starts_with("FAILED at step \"read the command line\": measureroot.x=1: "), "{out}");
    assert!(out.contains("power off") && err.starts_with("measureroot: measureroot.x=1: "), "{out}{err}");
}

#[test]
fn explain_names_what_is_meant_otherwise_and_what_was_translated() {
    for (line, error, words) in [
        ("root=/dev/vda overlayroot=/dev/vdb", "overlayroot=/dev/vdb: cannot be done as it is meant (", ""),
        (
            "rootimg=a toram measureroot.seal=none",
            "measureroot.seal=none: conflicts with measureroot.seal=ram",
            "toram: ",
        ),
    ] {
        let output = measureroot(&["explain", line]);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(err.starts_with(&format!("measureroot: {error}")) && out.contains(words), "{out}{err}");
    }
}

#[test]
fn the_usual_options_and_exit_codes() {
    for (arguments, code, part) in [
        (&["--version"][..], 0, env!("CARGO_PKG_VERSION")),
        (&["--help"], 0, "predict"),
        (&["predict", "--help"], 0, "--before"),
        (&["help", "initramfs"], 0, "--kernel-modules"),
    ] {
        let output = measureroot(arguments);
        assert!(output.status.code() == Some(code) && text(&output.stdout).contains(part), "{arguments:?}");
    }
    for wrong in [&[][..], &["no-such-command"], &["explain"], &["initramfs"], &["completion", "no-such-shell"]] {
        assert_eq!(measureroot(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn bash_takes_the_completion() {
    let output = measureroot(&["completion", "bash"]);
    assert!(text(&output.stdout).contains("measureroot"));
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let program = env!("CARGO_BIN_EXE_measureroot");
    let pipe = format!("set -o pipefail; '{program}' explain root=/dev/vda | true");
    assert!(Command::new("bash").args(["-c", &pipe]).status().unwrap().success());
}
