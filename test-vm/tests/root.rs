//! The booted root: an overlay whose writes are lost, over an image nobody can write, with nothing left of the initramfs.

use test_vm::{Image, Result, Vm, ensure};

#[test]
fn writes_land_on_the_overlay_and_are_gone_after_a_reboot() -> Result<()> {
    let mut guest = Vm::new("root=/dev/vda rw").disk(&Image::small("ext4")?).boots()?;
    guest.write("/written", "by the first boot")?;
    guest.write("/etc/kept", "changed")?;
    assert_eq!(guest.read("/etc/kept")?, "changed");
    let mut guest = guest.reboot()?;
    assert_eq!(guest.read("/etc/kept")?, "the image's own");
    ensure!(!guest.list("/")?.contains(&"written".into()), "a file outlived the reboot");
    guest.power_off().map(drop)
}

#[test]
fn a_root_that_starts_read_only_can_be_made_writable() -> Result<()> {
    let mut guest = Vm::new("root=/dev/vda ro").disk(&Image::small("squashfs")?).boots()?;
    ensure!(guest.mount("/")?.options.starts_with("ro,"), "{:?}", guest.mount("/")?);
    let refused = guest.write("/written", "").err().ok_or("a read-only root was written")?;
    ensure!(refused.to_string().contains("Read-only file system"), "{refused}");
    guest.power_off().map(drop)
}

#[test]
fn nothing_is_left_of_the_initramfs_and_the_kernel_s_file_systems_came_along() -> Result<()> {
    let mut guest = Vm::new("root=/dev/vda").disk(&Image::small("squashfs")?).boots()?;
    assert_eq!(guest.beneath()?, Vec::<String>::new());
    for (folder, kind) in
        [("/", "overlay"), ("/dev", "devtmpfs"), ("/proc", "proc"), ("/sys", "sysfs"), ("/run", "tmpfs")]
    {
        assert_eq!(guest.mount(folder)?.kind, kind, "{folder}");
    }
    guest.power_off().map(drop)
}

#[test]
fn the_image_cannot_be_written_even_by_root() -> Result<()> {
    let mut guest = Vm::new("root=/dev/vda").disk(&Image::small("ext4")?).boots()?;
    assert_eq!(guest.read("/sys/block/vda/ro")?, "1");
    ensure!(guest.write("/dev/vda", "x").is_err(), "the device of the image was written");
    guest.power_off().map(drop)
}

#[test]
fn init_is_the_one_that_was_asked_for_with_the_kernel_s_arguments() -> Result<()> {
    let vm = Vm::new("root=/dev/vda init=/sbin/other-init single -- first second").disk(&Image::small("squashfs")?);
    let mut guest = vm.boots()?;
    assert_eq!(guest.pid, 1);
    assert_eq!(guest.read("/proc/1/cmdline")?.trim_end_matches('\0'), "/sbin/other-init\0single\0first\0second");
    guest.power_off().map(drop)
}
