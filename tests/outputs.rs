//! What all commands print and write: outputs that cannot be written, standard output that is closed or full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use common::elf::agent;
use common::files::Files;
use common::{Ran, measureroot, program, text};

/// A line for each command that prints a result, and its exit code if standard output cannot be written.
const PRINTING: [(&str, i32); 16] = [
    ("predict image", 1),
    ("predict --json image", 1),
    ("explain root=/dev/vda", 1),
    ("explain measureroot.x=1", 1),
    ("replay EV.log", 2),
    ("replay --to cel EV.log", 2),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --allow list", 1),
    ("verify --quote EV.quote --signature EV.sig --key EV.ak.pub --log EV.log --allow list --json", 1),
    ("kernel-config config a.cfg", 2),
    ("kernel-config --list a.cfg", 2),
    ("doctor --kernel-config config", 1),
    ("doctor --json --kernel-config config", 1),
    ("doctor --explain tpm-missing", 1),
    ("completion bash", 1),
    ("man", 1),
    ("man cmdline", 1),
];

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = measureroot(&["--help"]).printed();
    let (_, listed) = help.split_once("Commands:\n").expect("commands");
    // Longer descriptions go on in lines that are indented further.
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    names.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_result_that_cannot_be_printed_is_an_error_of_every_command() {
    let files = Files::new();
    let commands = commands();
    assert!(commands.len() > 8, "{commands:?}");
    // tests/attest.rs has a TPM.
    for command in commands.iter().filter(|name| !matches!(name.as_str(), "help" | "initramfs" | "attest")) {
        let is_tried = |(line, _): &(&str, i32)| line.split(' ').next() == Some(command);
        assert!(PRINTING.iter().any(is_tried), "no line for the command {command}");
    }
    let helps = commands.iter().map(|name| format!("help {name}")).collect::<Vec<_>>();
    let more = helps.iter().map(String::as_str).chain(["--version", "--help", "predict --help"]).map(|line| (line, 1));
    for (line, code) in PRINTING.into_iter().chain(more.filter(|(line, _)| *line != "help help")) {
        for (redirection, cause) in [
            (">&-", "standard output: is closed ("),
            (">/dev/full", "standard output: No space left on device"),
            ("1</dev/null", "standard output: "),
        ] {
            // Only the help is printed by a library, which takes such a descriptor for one that nobody wants.
            if redirection == "1</dev/null" && ["help", "--version"].iter().any(|word| line.contains(word)) {
                continue;
            }
            let mut shell = Command::new("bash");
            shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}"), text(program())]);
            shell.args(files.command(line).get_args());
            let ran: Ran = shell.current_dir(files.folder()).output().unwrap().into();
            assert!(ran.code == code && ran.err.contains(cause), "{line} {redirection}: {ran:?}");
        }
        // What nobody wants may be thrown away, whatever the descriptor can do beside.
        let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
        let ran: Ran = files.command(line).stdout(null).output().unwrap().into();
        assert!(!ran.err.contains("standard output"), "{line}: {ran:?}");
    }
}

#[test]
fn a_list_trusts_no_image_whose_prediction_could_not_be_printed() {
    let files = Files::new();
    for redirection in [">&-", ">/dev/full"] {
        let line = format!("exec '{}' predict --allow-entry new image {redirection}", text(program()));
        let ran: Ran = Command::new("bash").args(["-c", &line]).current_dir(files.folder()).output().unwrap().into();
        assert!(ran.code == 1 && !files.path("new").exists(), "{ran:?}");
    }
}

/// What is no place for a file, and what the error says. A link to a file is one: its target is replaced.
const PLACES: [(&str, &str); 6] = [
    ("folder", "folder: is a folder"),
    ("/dev/full", "/dev/full: is a device"),
    ("dangling", "dangling: is a symbolic link to nowhere, which does not exist"),
    ("none/file", "none: No such file or directory"),
    ("image/file", "image/file: Not a directory"),
    ("/proc/file", "/proc/file: cannot be written in /proc: No such file or directory"),
];

#[test]
fn what_cannot_be_written_is_said_before_the_work_and_by_every_command_in_the_same_way() {
    let files = Files::new();
    fs::create_dir(files.path("folder")).unwrap();
    symlink("nowhere", files.path("dangling")).unwrap();
    let before = files.names();
    for (place, cause) in PLACES {
        // The input is wrong, too: it is not looked at before the output.
        for line in ["initramfs --agent none --output", "predict none --allow-entry"] {
            let ran = files.ran(&format!("{line} {place}"));
            assert!(ran.code == 1 && ran.err.contains(cause), "{line} {place}: {ran:?}");
            assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        }
    }
    assert_eq!(files.names(), before);
    for (line, target) in [("initramfs --agent agent --output", "new"), ("predict image --allow-entry", "list")] {
        files.write(target, br#"{"images": []}"#);
        let old = fs::read(files.path(target)).unwrap();
        symlink(target, files.path(&format!("to-{target}"))).unwrap();
        files.ran(&format!("{line} to-{target}")).printed();
        assert!(files.path(&format!("to-{target}")).is_symlink());
        assert_ne!(fs::read(files.path(target)).unwrap(), old, "{line}");
    }
}

#[test]
fn a_disk_that_is_full_is_named_once_with_what_to_do() {
    let files = Files::new();
    // Only root can mount; a namespace of an own user may be forbidden.
    let script = "mkdir full && mount -t tmpfs -o size=64k tmpfs full && head -c 60000 /dev/zero >full/fill
        \"$0\" initramfs --agent big --compress none --output full/new 2>said-output; echo $? >>said-output
        \"$0\" predict image --name \"$(head -c 9000 /dev/zero | tr '\\0' x)\" --allow-entry full/list 2>said-list; echo $? >>said-list
        ls -A full >left";
    files.write("big", &agent(&"agent".repeat(20_000)));
    let unshare = Command::new("unshare")
        .args(["--mount", "--map-root-user", "bash", "-c", script, text(program())])
        .current_dir(files.folder())
        .output()
        .unwrap();
    if !files.path("left").exists() {
        eprintln!("NOT TESTED: no tmpfs can be mounted here: {}", String::from_utf8_lossy(&unshare.stderr));
        return;
    }
    for (said, name) in [("said-output", "full/new"), ("said-list", "full/list")] {
        let said = fs::read_to_string(files.path(said)).unwrap();
        let wanted = format!("measureroot: {name}: No space left on device");
        assert!(said.contains(&wanted) && said.contains("make room in full, or name a file elsewhere"), "{said}");
        assert!(said.ends_with("\n1\n") && !said.contains("/.") && said.matches(name).count() == 1, "{said}");
    }
    assert_eq!(fs::read_to_string(files.path("left")).unwrap(), "fill\n");
}

#[test]
fn an_initramfs_can_go_into_a_pipe_or_standard_output() {
    let files = Files::new();
    files.ran("initramfs --agent agent --output new").printed();
    let whole = fs::read(files.path("new")).unwrap();
    let script = "\"$0\" initramfs --agent agent --output /dev/stdout | cat >one
        { \"$0\" initramfs --agent agent --output /dev/stdout; echo more; } >two
        \"$0\" initramfs --agent agent --output - >four
        \"$0\" initramfs --agent agent --output >(cat >three); wait $!";
    let line = ["-c", script, text(program())];
    assert!(Command::new("bash").args(line).current_dir(files.folder()).status().unwrap().success());
    for (name, behind) in [("one", &b""[..]), ("two", b"more\n"), ("three", b""), ("four", b"")] {
        assert!(fs::read(files.path(name)).unwrap() == [&whole[..], behind].concat(), "{name}");
    }
}

#[test]
fn a_reader_that_stops_early_spoils_an_initramfs_but_not_a_text() {
    let files = Files::new();
    // More than a pipe holds.
    files.write("big", &agent(&"agent".repeat(50_000)));
    for reader in ["(exec <&-; sleep 1)", "head -c 1000 >/dev/null"] {
        let line = format!(
            "\"$0\" initramfs --agent big --compress none --output /dev/stdout | {reader}; exit ${{PIPESTATUS[0]}}"
        );
        let mut shell = Command::new("bash");
        shell.args(["-c", &line, text(program())]).current_dir(files.folder());
        let ran: Ran = shell.output().unwrap().into();
        let said = "measureroot: standard output: Broken pipe (os error 32) (its reader stopped before it had all ";
        assert!(ran.code == 1 && ran.err.starts_with(said) && ran.err.lines().count() == 1, "{reader}: {ran:?}");
    }
    let line = "\"$0\" man | head -c 9 >&2; exit ${PIPESTATUS[0]}";
    let ran: Ran = Command::new("bash").args(["-c", line, text(program())]).output().unwrap().into();
    assert!(ran.code == 0 && ran.err.len() == 9, "{ran:?}");
}
