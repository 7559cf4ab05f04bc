//! The commands of docs/evidence.md, as they stand and in their order, on a machine that has booted the image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod evidence;
mod swtpm;

use std::path::Path;
use std::process::{Command, Output};

use evidence::{Machine, Measured, log, program};

/// Between a program and this TPM there is no resource manager: each of tpm2-tools leaves its objects and sessions behind.
const ROOM: &str = "
    for tool in createek createak quote createprimary create load unseal; do
        eval \"tpm2_$tool() {
            command tpm2_$tool \\\"\\$@\\\" && command tpm2_flushcontext -t && command tpm2_flushcontext -l
        }\"
    done
";

/// The blocks of commands.
fn blocks() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    // The log of a machine that was not booted here.
    blocks
        .map(|block| block.replace("cp /run/measureroot/binary_bios_measurements .", "cp log binary_bios_measurements"))
        .collect()
}

fn run(machine: &Machine, commands: &str) -> Output {
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &(ROOM.to_owned() + commands)]).current_dir(machine.path(""));
    shell.env("PATH", path).env("TPM2TOOLS_TCTI", machine.swtpm.tcti()).output().unwrap()
}

/// A machine with the image's file that booted an image with this content.
fn booted(content: &[u8]) -> Machine {
    let events = [Measured::other(4, "kernel"), Measured::image(content)];
    let machine = Machine::booted(&events);
    machine.write("log", &log(&events));
    machine.write("rootfs.squashfs", b"image");
    machine
}

#[test]
fn all_of_it_works_on_a_machine_that_booted_the_image() {
    let machine = booted(b"image");
    let output = run(&machine, &blocks().concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("\ntrusted: rootfs.squashfs\n") && text.contains("\"verdict\": \"trusted\""), "{text}");
    assert!(text.ends_with("the key of the data"), "{text}");
}

#[test]
fn on_a_machine_that_booted_another_the_secret_stays_closed() {
    let machine = booted(b"another image");
    let blocks = blocks();
    let (unseal, sealing) = blocks.split_last().unwrap();
    let seal = sealing.last().unwrap();
    assert!(unseal.contains("tpm2_unseal") && seal.contains("--format policy"));
    let output = run(&machine, seal);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = run(&machine, unseal);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("a policy check failed"), "{errors}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("the key of the data"));
}
