//! The command line for people: help, completion, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use common::{Ran, measureroot, program, run, run_with};

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
    assert!(code == 2 && err.contains("/dev/no-such-tpm") && err.contains("this machine has no TPM, or"), "{err}");
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
    assert_eq!(
        offered("predict --format"),
        "hex json tpm2-yaml pcrlock keylime policy tpm-nvdefine tpm-updatepcrhash rvps corim in-toto"
    );
    assert_eq!(offered("initramfs --compress"), "zstd gzip none");
    assert_eq!(offered("verify --quote"), "quote.msg");
    assert_eq!(offered("replay --pcrs"), "quote.msg");
    assert_eq!(offered("attest --activate"), "quote.msg");
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

/// A container has a PID 1 of its own, and often the TPM of the machine.
#[test]
fn a_command_that_is_pid_1_of_a_container_is_no_boot() {
    let inside = ["--user", "--map-root-user", "--mount-proc", "--pid", "--fork"];
    let program = program().to_str().unwrap();
    for (arguments, said) in [(&["explain", "root=/dev/vda"][..], "extend"), (&["--version"], "measureroot ")] {
        let arguments = [&inside[..], &[program], arguments].concat();
        let out = run("unshare", &arguments);
        assert!(out.contains(said), "{out}");
    }
}
