//! A real distribution boots measured, comes up at full speed, and ends as fast: Debian 12 (systemd 252) and Debian 13 (systemd 257).

use std::time::{Duration, Instant};
use test_vm::{Guest, Image, Kernel, Medium, Place, Prediction, PreparedImage, Result, RootFs, Vm, ensure};

/// Debian switches the machine off, leaves no file system of measureroot's to complain about, and waits for none.
fn ends_well(guest: Guest, predicted: &Prediction) -> Result<()> {
    let start = Instant::now();
    let vm = guest.ends_as(predicted)?;
    // systemd waits 90 s for a unit that does not stop (`DefaultTimeoutStopSec=`). Without such a unit it takes some seconds.
    ensure!(start.elapsed() < Duration::from_secs(80), "the machine ended after {} s", start.elapsed().as_secs());
    for complaint in ["Failed unmounting", "Failed to unmount", "Timed out"] {
        ensure!(!vm.console().iter().any(|line| line.contains(complaint)), "{}", vm.console().join("\n"));
    }
    Ok(())
}

/// Debian boots from an image that is a file on a medium, and no service fails.
fn debian_boots_from_a_file(kernel: Kernel, format: RootFs, medium: Medium) -> Result<()> {
    let image = Image::debian(format)?;
    let vm = Vm::new("root=/dev/vda rootimg=/image rw measureroot.overlaysize=200m").kernel(kernel).large();
    let mut guest = vm.disk(&Image::holding(medium, &image)?).boots()?;
    guest.runs_well()?;
    guest.found_at(&Place::file_on("/dev/vda", "/image"))?;
    ensure!(guest.mount("/run/initramfs/medium")?.options.starts_with("ro,"), "the medium can be written");
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
    ends_well(guest, &Prediction::of(image.path())?)
}

#[test]
fn debian_12_in_a_squashfs_on_a_medium_boots_measured() -> Result<()> {
    debian_boots_from_a_file(Kernel::V6_1, RootFs::Squashfs, Medium::Ext4)
}

#[test]
fn debian_13_in_an_erofs_on_a_medium_boots_measured_with_compressed_kernel_modules() -> Result<()> {
    debian_boots_from_a_file(Kernel::V6_12, RootFs::Erofs, Medium::Vfat)
}

/// The booted systemd reads `roothash=`, too, and finds the device that it would make.
fn debian_with_a_root_hash_boots_at_full_speed(kernel: Kernel, format: RootFs) -> Result<()> {
    let prepared = PreparedImage::apart(&Image::debian(format)?, &[])?;
    let disk = prepared.on_partitions()?;
    let mut guest = Vm::new(&prepared.parameter()).kernel(kernel).large().disk(&disk).boots()?;
    guest.runs_well()?;
    assert_eq!(guest.run(&["systemctl", "is-active", "systemd-veritysetup@root.service"])?, "active");
    assert_eq!(guest.read("/sys/block/dm-0/dm/name")?, "root");
    ends_well(guest, &Prediction::of_root_hash(&prepared.root_hash)?)
}

#[test]
fn debian_12_with_a_root_hash_boots_at_full_speed() -> Result<()> {
    debian_with_a_root_hash_boots_at_full_speed(Kernel::V6_1, RootFs::Squashfs)
}

#[test]
fn debian_13_with_a_root_hash_boots_at_full_speed() -> Result<()> {
    debian_with_a_root_hash_boots_at_full_speed(Kernel::V6_12, RootFs::Erofs)
}
