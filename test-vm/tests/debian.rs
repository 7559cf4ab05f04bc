//! A real distribution boots measured.

use std::time::Duration;
use test_vm::{Image, Kernel, Result, Vm, ensure, tool};

/// Debian's init reaches its goal, nothing failed on the way, and it switches off in order.
fn debian_boots(kernel: Kernel, format: &str) -> Result<()> {
    let image = Image::debian(format)?;
    let mut guest =
        Vm::new("root=/dev/vda rw measureroot.overlaysize=200m").kernel(kernel).large().disk(&image).boots()?;
    assert_eq!(guest.read("/proc/1/comm")?, "systemd");
    assert_eq!(guest.run(&["systemctl", "is-active", "multi-user.target"])?, "active");
    assert_eq!(guest.run(&["systemctl", "--failed", "--plain", "--no-legend"])?, "");
    assert_eq!(guest.mount("/")?.kind, "overlay");
    let size = guest.run(&["df", "--block-size=1M", "--output=size", "/"])?;
    ensure!(size.ends_with(" 200"), "the overlay's size: {size}");
    // The firmware's log is handed on as it is, and securityfs to whoever mounts it.
    let (_, firmware) = guest.bytes("/sys/kernel/security/tpm0/binary_bios_measurements")?;
    let (_, whole) = guest.bytes("/run/measureroot/binary_bios_measurements")?;
    ensure!(!firmware.is_empty() && whole.starts_with(&firmware), "the firmware's log was changed");
    ensure!(guest.mount("/sys/kernel/security")?.options.starts_with("rw,"), "securityfs cannot be written");
    let peak = guest.status()?.memory_peak_kib;
    ensure!(peak > 0 && peak <= 8 * 1024, "the agent took {peak} KiB of memory");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn debian_in_squashfs() -> Result<()> {
    debian_boots(Kernel::V6_1, "squashfs")
}

#[test]
fn debian_in_erofs_with_the_kernel_whose_modules_are_compressed() -> Result<()> {
    debian_boots(Kernel::V6_12, "erofs")
}

/// The README's first command, and what it shows of an image that was changed.
fn demo_ends(arguments: &[&str], code: i32, word: &str) -> Result<()> {
    let mut demo = tool::limited(Duration::from_mins(8), env!("CARGO_BIN_EXE_demo"));
    let shown = demo.args(arguments).output()?;
    let text = String::from_utf8_lossy(&shown.stdout);
    ensure!(shown.status.code() == Some(code), "{}: {text}{}", shown.status, String::from_utf8_lossy(&shown.stderr));
    ensure!(text.ends_with(&format!("demo: {word}\n")), "it does not end with {word}: {text}");
    Ok(())
}

#[test]
fn the_demo_shows_a_match() -> Result<()> {
    demo_ends(&[], 0, "MATCH")
}

#[test]
fn the_demo_shows_the_difference_of_one_bit() -> Result<()> {
    demo_ends(&["--flip"], 1, "DIFFERENT")
}
