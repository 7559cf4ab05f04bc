//! In a machine that booted measured, `measureroot doctor` finds nothing wrong that is not.

use std::fs;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Image, Kernel, Medium, Result, RootFs, Vm, assets, ensure, uki};

/// Debian boots, and the program for people judges it. It comes on the disk `device`, because the image lacks it. `warned` has the
/// warnings that are right.
fn finds_no_fault(vm: Vm, device: &str, warned: &[&str]) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut program = fs::read(assets::product("release/measureroot")?)?;
    program.resize(program.len().next_multiple_of(512), 0);
    fs::write(scratch.path("program"), program)?;
    let mut guest = vm.large().disk_file(Bus::Virtio, scratch.path("program")).boots()?;
    let judge = format!(
        "dd if={device} of=/run/doctor bs=1M status=none && chmod 755 /run/doctor && mount -o remount,exec /run
        /run/doctor doctor || echo exit code $?"
    );
    let said = guest.run(&["sh", "-c", &judge])?;
    let worse: Vec<_> = said.lines().filter(|line| line.starts_with(['!', 'x'])).collect();
    let expected: Vec<_> = warned.iter().map(|id| format!("! warn {id}: ")).collect();
    let is_right = worse.len() == expected.len() && worse.iter().zip(&expected).all(|(line, id)| line.starts_with(id));
    ensure!(is_right && said.ends_with("exit code 3") != warned.is_empty(), "{said}");
    ensure!(said.contains("+ ok   boot-agrees: "), "{said}");
    guest.power_off().map(drop)
}

#[test]
fn a_device_with_a_squashfs_on_linux_6_1_without_uefi() -> Result<()> {
    let vm = Vm::new("root=/dev/vda").kernel(Kernel::V6_1).disk(&Image::debian(RootFs::Squashfs)?);
    finds_no_fault(vm, "/dev/vdb", &["agent-not-measured"])
}

#[test]
fn a_writable_root_on_a_file_with_an_erofs_on_linux_6_12_without_uefi() -> Result<()> {
    let medium = Image::holding(Medium::Ext4, &Image::debian(RootFs::Erofs)?)?;
    let vm = Vm::new("root=/dev/vda rootimg=/image rw").kernel(Kernel::V6_12).disk(&medium);
    finds_no_fault(vm, "/dev/vdb", &["agent-not-measured"])
}

#[test]
fn a_unified_kernel_image_without_secure_boot() -> Result<()> {
    let scratch = Scratch::new()?;
    let program = uki::made(&scratch, "good", "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff")?;
    let esp = scratch.path("esp");
    fs::create_dir_all(esp.join("EFI/BOOT"))?;
    fs::copy(program, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    let vm = Vm::uefi().disk_file(Bus::Virtio, uki::disk(&esp, &[], &scratch)?).disk(&Image::debian(RootFs::Erofs)?);
    // That Secure Boot is off is a note.
    finds_no_fault(vm, "/dev/vdc", &[])
}
