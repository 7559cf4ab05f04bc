//! In a machine that booted measured, `measureroot doctor` finds nothing wrong that is not, and what is made wrong then. Other machines are in
//! `chain_shim.rs` (GRUB, with Secure Boot and without it), `tpm12.rs`, `two_tpms.rs` and `prepared.rs`.

use std::fs;
use test_vm::doctor::{self, Findings, extend};
use test_vm::scratch::Scratch;
use test_vm::{Bus, Firmware, Guest, Image, Kernel, Medium, Result, RootFs, Vm, assets, uki};

/// Where the program for people is in the guest.
const PROGRAM: &str = "/run/doctor";

/// Debian boots, and the program for people judges it. It comes on the disk `device`, because the image lacks it. `warned` has the
/// warnings that are right.
fn finds_no_fault(vm: Vm, device: &str, warned: &[&str]) -> Result<Guest> {
    let scratch = Scratch::new()?;
    let mut program = fs::read(assets::product("release/measureroot")?)?;
    program.resize(program.len().next_multiple_of(512), 0);
    fs::write(scratch.path("program"), program)?;
    let mut guest = vm.large().disk_file(Bus::Virtio, scratch.path("program")).boots()?;
    let copy =
        format!("dd if={device} of={PROGRAM} bs=1M status=none && chmod 755 {PROGRAM} && mount -o remount,exec /run");
    guest.run(&["sh", "-c", &copy])?;
    let found = Findings::by(&mut guest, PROGRAM)?;
    found.worse_are(warned)?;
    found.say("boot-agrees", "")?;
    Ok(guest)
}

/// Something is made wrong in the guest, and found beside the warnings.
fn finds(mut guest: Guest, worse: &[&str], fault: &str, words: &str) -> Result<()> {
    let found = Findings::by(&mut guest, PROGRAM)?;
    found.worse_are(worse)?;
    found.say(fault, words)?;
    guest.power_off().map(drop)
}

#[test]
fn a_device_with_a_squashfs_on_linux_6_1_without_uefi() -> Result<()> {
    let vm = Vm::new("root=/dev/vda").kernel(Kernel::V6_1).disk(&Image::debian(RootFs::Squashfs)?);
    let mut guest = finds_no_fault(vm, "/dev/vdb", &["agent-not-measured"])?;
    extend(&mut guest, "/dev/tpm0", 13)?;
    finds(guest, &["agent-not-measured", "boot-pcr-differs"], "boot-pcr-differs", "tpm0: PCR 13: sha256 is ")
}

#[test]
fn a_writable_root_on_a_file_with_an_erofs_on_linux_6_12_without_uefi() -> Result<()> {
    let medium = Image::holding(Medium::Ext4, &Image::debian(RootFs::Erofs)?)?;
    let vm = Vm::new("root=/dev/vda rootimg=/image rw").kernel(Kernel::V6_12).disk(&medium);
    let mut guest = finds_no_fault(vm, "/dev/vdb", &["agent-not-measured"])?;
    let merge = "mkdir /run/more && mount -t overlay -o lowerdir=/run/more:/opt more /opt";
    guest.run(&["sh", "-ec", merge])?;
    finds(guest, &["agent-not-measured", "boot-extension-merged"], "boot-extension-merged", "/opt")
}

#[test]
fn a_unified_kernel_image_with_secure_boot() -> Result<()> {
    let scratch = Scratch::new()?;
    let program = uki::made(&scratch, "good", "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff")?;
    let esp = uki::esp(&[(&program, "EFI/BOOT/BOOTX64.EFI")], &[], &scratch)?;
    let vm = Vm::started_by(Firmware::SecureBoot).disk_file(Bus::Virtio, uki::disk(&esp, &[], &scratch)?);
    let image = doctor::image()?;
    let mut guest = vm.large().disk(&image).boots()?;
    doctor::mount(&mut guest)?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&[])?;
    found.say("agent-measured", "systemd-stub measured the kernel")?;
    for good in ["secure-boot-on", "firmware-log-agrees", "boot-agrees"] {
        found.say(good, "")?;
    }
    extend(&mut guest, "/dev/tpm0", 7)?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&["firmware-log-differs"])?;
    found.say("firmware-log-differs", "PCR 7")?;
    guest.power_off().map(drop)
}
