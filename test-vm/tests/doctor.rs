//! In a machine that booted measured, `measureroot doctor` finds nothing wrong that is not.

use std::fs;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Image, Kernel, Medium, Result, RootFs, Vm, assets, ensure};

/// What is no false alarm: the machine has no UEFI, so nobody measured the agent.
const WARNED: [&str; 1] = ["agent-not-measured"];

/// Debian boots, and the program for people judges it. It comes on a disk, because the image has no room for it.
fn finds_no_fault(vm: Vm) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut program = fs::read(assets::product("release/measureroot")?)?;
    program.resize(program.len().next_multiple_of(512), 0);
    fs::write(scratch.path("program"), program)?;
    let mut guest = vm.large().disk_file(Bus::Virtio, scratch.path("program")).boots()?;
    let judge = "dd if=/dev/vdb of=/run/doctor bs=1M status=none && chmod 755 /run/doctor && mount -o remount,exec /run
        /run/doctor doctor || echo exit code $?; grep -e ' - overlay ' /proc/self/mountinfo";
    let said = guest.run(&["sh", "-c", judge])?;
    let worse: Vec<_> = said.lines().filter(|line| line.starts_with(['!', 'x'])).collect();
    let has_warned = WARNED.iter().all(|id| worse.iter().any(|line| line.starts_with(&format!("! warn {id}: "))));
    ensure!(has_warned && worse.len() == WARNED.len() && said.contains("ok   boot-agrees: "), "{said}");
    println!("{said}");
    guest.power_off().map(drop)
}

#[test]
fn a_device_with_a_squashfs_on_linux_6_1() -> Result<()> {
    finds_no_fault(Vm::new("root=/dev/vda").kernel(Kernel::V6_1).disk(&Image::debian(RootFs::Squashfs)?))
}

#[test]
fn a_writable_root_on_a_file_with_an_erofs_on_linux_6_12() -> Result<()> {
    let medium = Image::holding(Medium::Ext4, &Image::debian(RootFs::Erofs)?)?;
    finds_no_fault(Vm::new("root=/dev/vda rootimg=/image rw").kernel(Kernel::V6_12).disk(&medium))
}
