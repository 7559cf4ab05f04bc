//! The demonstration behind `test-vm/demo`: it predicts a PCR from an image file, boots a machine from that image, and compares
//! the PCR of the machine's TPM.

use std::process::ExitCode;
use test_vm::{Error, Image, Prediction, Result, RootFs, Vm, accel, ensure, image};

/// The exit code is 0 if the TPM holds the predicted values, 1 if it holds others, and 2 after an error.
fn main() -> ExitCode {
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Error(cause)) => {
            eprintln!("demo: {cause}");
            ExitCode::from(2)
        }
    }
}

fn demo() -> Result<bool> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let flip = words == ["--flip"];
    ensure!(flip || words.is_empty(), "usage: test-vm/demo [--flip]");

    let image = Image::debian(RootFs::Squashfs)?;
    let predicted = Prediction::of(image.path())?;
    let pcr = predicted.pcr;
    println!(
        "\ndemo: the image is Debian with systemd: {}, {} bytes",
        image.path().display(),
        predicted.bytes.unwrap_or_default()
    );
    println!("demo: measureroot predicts from it that a TPM will hold in PCR {pcr}:");
    for (bank, value) in predicted.after() {
        println!("  {:6} {value}", bank.name());
    }
    let booted = if flip {
        println!("demo: one bit of a copy is flipped: in byte {}, a time stamp", image::SQUASHFS_TIME);
        image.flipped(image::SQUASHFS_TIME)?
    } else {
        image
    };
    println!("demo: QEMU ({}) boots it with a new software TPM; on its console:", accel::working()?);
    let mut guest = Vm::new("root=/dev/vda").large().shown().disk(&booted).boots()?;
    let name = guest.run(&["sh", "-c", ". /etc/os-release && echo \"$PRETTY_NAME\""])?;
    println!("demo: {name} has started all its services. It is switched off:");
    let vm = guest.power_off()?;

    println!("demo: the TPM, read from outside, holds in PCR {pcr}:");
    let (held, expected) = (vm.pcrs(pcr)?, predicted.after());
    for (bank, value) in &held {
        let verdict = if expected.get(bank) == Some(value) { "as predicted" } else { "not as predicted" };
        println!("  {:6} {value}  {verdict}", bank.name());
    }
    println!("demo: {}", if held == expected { "MATCH" } else { "DIFFERENT" });
    Ok(held == expected)
}
