//! The commands of docs/evidence.md, in their order, on a machine that has booted the image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, shell, squashfs};
use evidence::{Machine, Measured, log};

/// Makes each of tpm2-tools flush its objects and sessions: this TPM has no resource manager.
const FLUSH: &str = "
    for tool in createek createak quote createprimary create load unseal; do
        eval \"tpm2_$tool() {
            command tpm2_$tool \\\"\\$@\\\" && command tpm2_flushcontext -t && command tpm2_flushcontext -l
        }\"
    done
";

/// The page's blocks of commands.
fn blocks() -> Vec<String> {
    // The machine was not really booted, so its log is a file of the test.
    common::blocks("docs/evidence.md")
        .into_iter()
        .map(|block| block.replace("cp /run/measureroot/binary_bios_measurements .", "cp log binary_bios_measurements"))
        .collect()
}

fn run(machine: &Machine, commands: &str) -> Ran {
    shell(&(FLUSH.to_owned() + commands), &machine.path(""), &[("TPM2TOOLS_TCTI", &machine.swtpm.tcti())])
}

/// A machine that booted an image with this content. It also has the file rootfs.squashfs with the content `image`.
fn booted(content: &[u8]) -> Machine {
    let events = [Measured::other(4, "kernel"), Measured::image(&squashfs(content))];
    let machine = Machine::booted(&events);
    machine.write("log", &log(&events));
    machine.write("rootfs.squashfs", &squashfs(b"image"));
    machine
}

#[test]
fn all_commands_work_on_a_machine_that_booted_the_image() {
    let machine = booted(b"image");
    let text = run(&machine, &blocks().concat()).printed();
    assert!(text.contains("\ntrusted: rootfs.squashfs\n") && text.contains("\"verdict\": \"trusted\""), "{text}");
    assert!(text.ends_with("the key of the data"), "{text}");
}

#[test]
fn a_machine_that_booted_another_image_cannot_unseal_the_secret() {
    let machine = booted(b"another image");
    let blocks = blocks();
    let (unseal, sealing) = blocks.split_last().unwrap();
    let seal = sealing.last().unwrap();
    assert!(unseal.contains("tpm2_unseal") && seal.contains("--format policy"));
    run(&machine, seal).printed();
    let Ran { code, out, err } = run(&machine, unseal);
    assert!(code != 0 && err.contains("a policy check failed"), "{err}");
    assert!(!out.contains("the key of the data"));
}
