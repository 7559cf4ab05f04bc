//! A real distribution boots measured.

use std::time::Duration;
use test_vm::{Image, Kernel, Prediction, PreparedImage, Result, RootFs, Vm, ensure, tool};

/// Debian's init reaches its goal, no service fails, and Debian switches the machine off.
fn debian_boots(kernel: Kernel, format: RootFs) -> Result<()> {
    let image = Image::debian(format)?;
    let mut guest =
        Vm::new("root=/dev/vda rw measureroot.overlaysize=200m").kernel(kernel).large().disk(&image).boots()?;
    guest.runs_well()?;
    assert_eq!(guest.mount("/")?.kind, "overlay");
    let size = guest.run(&["df", "--block-size=1M", "--output=size", "/"])?;
    ensure!(size.ends_with(" 200"), "the overlay's size: {size}");
    // measureroot passes the firmware's log on unchanged, and systemd can mount securityfs as usual.
    let firmware = guest.bytes("/sys/kernel/security/tpm0/binary_bios_measurements")?.content;
    let whole = guest.bytes("/run/measureroot/binary_bios_measurements")?.content;
    ensure!(!firmware.is_empty() && whole.starts_with(&firmware), "the firmware's log was changed");
    ensure!(guest.mount("/sys/kernel/security")?.options.starts_with("rw,"), "securityfs cannot be written");
    let peak = guest.status()?.memory_peak_kib;
    ensure!(peak > 0 && peak <= 8 * 1024, "the agent took {peak} KiB of memory");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn debian_in_squashfs_boots_measured() -> Result<()> {
    debian_boots(Kernel::V6_1, RootFs::Squashfs)
}

#[test]
fn debian_in_erofs_boots_measured_with_compressed_kernel_modules() -> Result<()> {
    debian_boots(Kernel::V6_12, RootFs::Erofs)
}

/// The booted systemd reads `roothash=`, too, and finds the device that it would make.
#[test]
fn debian_with_a_root_hash_boots_at_full_speed() -> Result<()> {
    let prepared = PreparedImage::apart(&Image::debian(RootFs::Squashfs)?, &[])?;
    let disk = prepared.on_partitions()?;
    let mut guest = Vm::new(&prepared.parameter()).large().disk(&disk).boots()?;
    guest.runs_well()?;
    assert_eq!(guest.run(&["systemctl", "is-active", "systemd-veritysetup@root.service"])?, "active");
    assert_eq!(guest.read("/sys/block/dm-0/dm/name")?, "root");
    guest.ends_as(&Prediction::of_root_hash(&prepared.root_hash)?).map(drop)
}

/// Runs the program behind the README's first command.
fn demo_ends(arguments: &[&str], code: i32, word: &str) -> Result<()> {
    let mut demo = tool::limited(Duration::from_secs(480), env!("CARGO_BIN_EXE_demo"));
    let shown = demo.args(arguments).output()?;
    let text = String::from_utf8_lossy(&shown.stdout);
    ensure!(shown.status.code() == Some(code), "{}: {text}{}", shown.status, String::from_utf8_lossy(&shown.stderr));
    ensure!(text.ends_with(&format!("demo: {word}\n")), "the output does not end with {word}: {text}");
    Ok(())
}

#[test]
fn the_demo_shows_that_the_pcr_is_as_predicted() -> Result<()> {
    demo_ends(&[], 0, "MATCH")
}

#[test]
fn the_demo_shows_that_one_flipped_bit_changes_the_pcr() -> Result<()> {
    demo_ends(&["--flip"], 1, "DIFFERENT")
}
