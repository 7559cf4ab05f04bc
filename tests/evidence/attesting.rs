//! A machine that booted an image, and `measureroot attest` on it.

use super::{Machine, Measured, log};
use crate::common::{Ran, measureroot};

/// A machine that booted an image, with the log and the image as files.
pub(crate) fn booted() -> Machine {
    let events = [Measured::other(4, "kernel"), Measured::image(b"image")];
    let machine = Machine::booted(&events);
    machine.write("log", &log(&events));
    machine.write("image", b"image");
    machine
}

/// Runs `measureroot attest` on the TPM at this device.
pub(crate) fn attest_at(machine: &Machine, device: &str, arguments: &[&str]) -> Ran {
    measureroot(&[&["attest", "--tpm", device, "--output", &machine.file("evidence")], arguments].concat())
}

/// Runs it on the machine's own TPM.
pub(crate) fn attest(machine: &Machine, arguments: &[&str]) -> Ran {
    attest_at(machine, machine.swtpm.device.to_str().unwrap(), arguments)
}
