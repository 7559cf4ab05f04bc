//! The command line for people: explain, help, completion, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use common::{Ran, measureroot, program, run_with};

/// A command line whose root hash names the partitions, by systemd's rule.
const PREPARED: &str = "roothash=00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[test]
fn explain_shows_the_effect_of_each_parameter() {
    let table = [
        ("root=/dev/vda", "/dev/vda: as many bytes as its file system has"),
        ("root=LABEL=x rootimg=/a rootfstype=vfat", "the file /a on LABEL=x, which must be vfat"),
        ("rootimg=/a", "the file /a on any block device, for at most 30 s"),
        ("root=/dev/vda rootwait", "/dev/vda, for ever"),
        ("root=/dev/vda rootdelay=3", "pause for 3 s"),
        ("root=/dev/vda rootflags=threads=multi", "mounted with threads=multi"),
        (
            "root=/dev/vda",
            "an HMAC session, salted with a key of the TPM's null hierarchy; no session if the TPM answers",
        ),
        ("root=/dev/vda measureroot.session=hmac", "null hierarchy; an error if the TPM supports none"),
        ("root=/dev/vda measureroot.session=none", "no session: an attacker on the bus to the TPM can change"),
        ("root=/dev/vda rootimgpcr=9", "PCR 9 with the image's digest in each bank"),
        ("root=/dev/vda rootimgpcr=9", "\n  PCR 13 stays free: the running system can extend it with any digest"),
        ("root=/dev/vda measureroot.format=meta-measured", "the digest of the hex digits of the image's digest"),
        ("root=live:LABEL=x rd.live.ram", "\n  root=live:LABEL=x: root=/dev/disk/by-label/x\n"),
        ("root=live:LABEL=x rd.live.ram", "the file /LiveOS/squashfs.img on LABEL=x"),
        ("boot=live toram", "\n  toram: measureroot.seal=ram\n  boot=live: rootimg=live/filesystem.squashfs\n"),
        ("root=/dev/vda overlayroot=tmpfs", "\n  overlayroot=tmpfs: nothing to do\n"),
        ("root=/dev/vda ro overlayroot=tmpfs", "\n  ro: nothing to do: it is for the medium of a live system\n"),
        ("root=/dev/vda ro overlayroot=tmpfs", "-o redirect_dir=on,lowerdir="),
        ("root=/dev/vda rd.overlay=tmpfs:size=1g", "\n  rd.overlay=tmpfs:size=1g: measureroot.overlaysize=1g\n"),
        ("root=/dev/vda rootfstype=squashfs,auto", "/dev/vda: as many bytes as its file system has"),
        ("root=/dev/vda module_blacklist=vfat", "\n  not vfat, and not the modules that need it\n"),
        ("root=/dev/vda rd.driver.blacklist=nls-utf8", "\n  not nls_utf8, and not the modules that need it\n"),
        ("root=/dev/vda -- single rootimg=/b", "\n  with the arguments behind --: single rootimg=/b\n"),
        ("root=/dev/vda ro", "-o ro,redirect_dir=on,lowerdir="),
        ("root=/dev/vda measureroot.overlaysize=1g", "size=1g"),
        ("root=/dev/vda init=/bin/x", "start init\n  /bin/x\n"),
        ("root=/dev/vda", "each after the modules that it needs; a driver that answers with an error is left out"),
        ("root=/dev/vda loop.max_loop=3", "loop with max_loop=\"3\""),
        ("root=/dev/vda measureroot.timeout=5", "/dev/tpm0, for at most 5 s"),
        ("root=/dev/vda measureroot=off", "THE IMAGE IS NOT MEASURED"),
        ("root=/dev/vda measureroot=off rootimgpcr=14", "PCR 13 and 14 with the digest of"),
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
        let Ran { code, out, .. } = measureroot(&["explain", line]);
        assert!(code == 0 && out.contains(part), "{line}: {out}");
    }
}

#[test]
fn no_part_of_hostile_text_is_hidden() {
    for (line, part) in [
        ("root=LABEL=x\u{202e}y rootimg=/a", "on LABEL=x\\u{202e}y"),
        ("root=/dev/vda init=/bin/\u{200b}x\x1b[2J", "/bin/\\u{200b}x\\u{1b}[2J"),
        ("root=/dev/vda measureroot.\u{2066}=1", "measureroot.\\u{2066}=1: "),
    ] {
        let Ran { out, err, .. } = measureroot(&["explain", line]);
        assert!(out.contains(part), "{out}{err}");
        assert!(!(out + &err).contains(['\u{202e}', '\u{200b}', '\u{2066}', '\x1b']));
    }
}

#[test]
fn explain_ends_with_the_error_of_the_boot() {
    let Ran { code, out, err } = measureroot(&["explain", "root=/dev/vda measureroot.x=1 measureroot.onfail=poweroff"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("FAILED at step \"read the command line\": measureroot.x=1: "), "{out}");
    assert!(out.contains("power off") && err.starts_with("measureroot: measureroot.x=1: "), "{out}{err}");
}

#[test]
fn explain_names_the_parameter_that_cannot_be_obeyed_and_the_translated_one() {
    for (line, error, words) in [
        ("root=/dev/vda overlayroot=/dev/vdb", "overlayroot=/dev/vdb: is not supported (", ""),
        (
            "rootimg=a toram measureroot.seal=none",
            "measureroot.seal=none: conflicts with measureroot.seal=ram",
            "toram: ",
        ),
    ] {
        let Ran { out, err, .. } = measureroot(&["explain", line]);
        assert!(err.starts_with(&format!("measureroot: {error}")) && out.contains(words), "{out}{err}");
    }
}

#[test]
fn version_help_and_wrong_options_have_the_usual_exit_codes() {
    for (arguments, part) in [
        (&["--version"][..], env!("CARGO_PKG_VERSION")),
        (&["--help"], "predict"),
        (&["predict", "--help"], "--before"),
        (&["help", "initramfs"], "--kernel-modules"),
    ] {
        let Ran { code, out, .. } = measureroot(arguments);
        assert!(code == 0 && out.contains(part), "{arguments:?}");
    }
    for wrong in [&[][..], &["no-such-command"], &["explain"], &["initramfs"], &["completion", "no-such-shell"]] {
        assert_eq!(measureroot(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn replay_says_that_there_is_no_tpm() {
    let log = format!("{}/tests/eventlog/ovmf.bin", common::ROOT);
    let Ran { code, err, .. } = measureroot(&["replay", "--tpm=/dev/no-such-tpm", &log]);
    assert!(code == 2 && err.contains("/dev/no-such-tpm") && err.contains("this machine has no TPM 2.0"), "{err}");
}

#[test]
fn bash_accepts_the_completion() {
    let Ran { out, .. } = measureroot(&["completion", "bash"]);
    assert!(out.contains("measureroot"));
    run_with("bash", &["-n"], &out);
}

#[test]
fn bash_completes_banks_formats_and_files() {
    let script = measureroot(&["completion", "bash"]).printed();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quote.msg"), "").unwrap();
    // What bash offers behind these words.
    let offered = |words: &str| {
        let complete = format!(
            "{script}\ncd '{}'; COMP_WORDS=(measureroot {words} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _measureroot measureroot '' \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            folder.path().display()
        );
        run_with("bash", &[], &complete)
    };
    assert_eq!(offered("predict --bank"), "sha1 sha256 sha384 sha512");
    assert_eq!(offered("predict --image-format"), "plain meta-measured");
    assert_eq!(offered("predict --format"), "hex json tpm2-yaml pcrlock keylime policy");
    assert_eq!(offered("initramfs --compress"), "zstd gzip none");
    assert_eq!(offered("verify --quote"), "quote.msg");
    assert_eq!(offered("replay --pcrs"), "quote.msg");
}

#[test]
fn the_examples_of_the_manual_have_options_that_exist() {
    let page = measureroot(&["man"]).printed();
    let (_, examples) = page.split_once(".SH EXAMPLES").expect("examples");
    let (examples, _) = examples.split_once(".SH").unwrap();
    // roff writes a dash and a backslash with a backslash before it.
    let text = examples.replace("\\-", "-").replace("\\\\\n", " ");
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("measureroot ")).collect();
    assert!(commands.len() > 5, "{text}");
    for command in commands {
        let mut words = command.split_whitespace();
        let help = measureroot(&[words.next().unwrap(), "--help"]).printed();
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(
                help.contains(&format!("{option} ")) || help.contains(&format!("{option}[")),
                "{command}: {option}"
            );
        }
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let pipe = format!("set -o pipefail; '{}' explain root=/dev/vda | true", program().display());
    run_with("bash", &["-c", &pipe], "");
}
