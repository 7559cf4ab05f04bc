//! The booted root is an overlay whose writes are lost. The image below it cannot be written, and nothing is left of the
//! initramfs.

use test_vm::{Guest, Image, Result, RootFs, Vm, ensure};

/// The small image in this format has booted from /dev/vda.
fn booted(parameters: &str, format: RootFs) -> Result<Guest> {
    Vm::new("root=/dev/vda").with(parameters).disk(&Image::small(format)?).boots()
}

#[test]
fn writes_go_to_the_overlay_and_are_lost_at_a_reboot() -> Result<()> {
    let mut guest = booted("rw", RootFs::Ext4)?;
    guest.write("/written", "by the first boot")?;
    guest.write("/etc/kept", "changed")?;
    assert_eq!(guest.read("/etc/kept")?, "changed");
    let mut guest = guest.reboot()?;
    assert_eq!(guest.read("/etc/kept")?, "the image's own");
    ensure!(!guest.list("/")?.contains(&"written".into()), "a file outlived the reboot");
    guest.power_off().map(drop)
}

#[test]
fn with_ro_the_root_is_mounted_read_only() -> Result<()> {
    let mut guest = booted("ro", RootFs::Squashfs)?;
    ensure!(guest.mount("/")?.options.starts_with("ro,"), "{:?}", guest.mount("/")?);
    let refused = guest.write("/written", "").err().ok_or("a read-only root was written")?;
    ensure!(refused.to_string().contains("Read-only file system"), "{refused}");
    guest.power_off().map(drop)
}

#[test]
fn nothing_is_left_of_the_initramfs_and_the_kernel_s_file_systems_are_mounted() -> Result<()> {
    let mut guest = booted("", RootFs::Squashfs)?;
    guest.has_no_initramfs()?;
    for (folder, kind) in
        [("/", "overlay"), ("/dev", "devtmpfs"), ("/proc", "proc"), ("/sys", "sysfs"), ("/run", "tmpfs")]
    {
        assert_eq!(guest.mount(folder)?.kind, kind, "{folder}");
    }
    guest.power_off().map(drop)
}

#[test]
fn not_even_root_can_write_to_the_image() -> Result<()> {
    let mut guest = booted("", RootFs::Ext4)?;
    assert_eq!(guest.read("/sys/block/vda/ro")?, "1");
    ensure!(guest.write("/dev/vda", "x").is_err(), "the device of the image was written");
    guest.power_off().map(drop)
}

#[test]
fn the_init_of_the_command_line_gets_the_kernel_s_arguments() -> Result<()> {
    let mut guest = booted("init=/sbin/other-init single -- first second", RootFs::Squashfs)?;
    assert_eq!(guest.pid, 1);
    assert_eq!(guest.read("/proc/1/cmdline")?.trim_end_matches('\0'), "/sbin/other-init\0single\0first\0second");
    guest.power_off().map(drop)
}
