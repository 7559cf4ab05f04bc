//! A real distribution boots measured.

use test_vm::{Image, Kernel, Result, Vm, ensure};

/// Debian's init reaches its goal, nothing failed on the way, and it switches off in order.
fn debian_boots(kernel: Kernel, format: &str) -> Result<()> {
    let image = Image::debian(format)?;
    let mut guest = Vm::new("root=/dev/vda rw").kernel(kernel).large().disk(&image).boots()?;
    assert_eq!(guest.read("/proc/1/comm")?, "systemd");
    assert_eq!(guest.run(&["systemctl", "is-active", "multi-user.target"])?, "active");
    assert_eq!(guest.run(&["systemctl", "--failed", "--plain", "--no-legend"])?, "");
    assert_eq!(guest.mount("/")?.kind, "overlay");
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
