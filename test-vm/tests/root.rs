//! The booted root is an overlay whose writes are lost, and whose top folder is that of the image. The image below it cannot be
//! written, and nothing is left of the initramfs but what systemd-stub hands over.

use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Guest, Image, Kernel, Result, RootFs, SealChoice, Vm, assets, ensure, tool};

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
fn a_folder_of_the_image_can_be_renamed() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut make = tool::limited(Duration::from_secs(60), "sh");
    let commands = "mkdir -p tree/dev tree/proc tree/sys tree/run tree/sbin tree/large/folder && cp \"$0\" tree/sbin/init && \
                    cp /bin/busybox tree && head -c 16M /dev/urandom >tree/large/folder/file && \
                    mksquashfs tree made -all-root -quiet -no-progress";
    tool::finish(make.current_dir(scratch.folder()).args(["-ec", commands]).arg(assets::probe()?))?;
    // The overlay is too small for a copy of the folder, which `mv` would try if the kernel refused to rename it.
    let vm = Vm::new("root=/dev/vda measureroot.overlaysize=4m").disk_file(Bus::Virtio, scratch.path("made"));
    let mut guest = vm.boots()?;
    guest.run(&["/busybox", "mv", "/large", "/renamed"])?;
    assert_eq!(guest.run(&["/busybox", "stat", "-c", "%s", "/renamed/folder/file"])?, "16777216");
    ensure!(!guest.list("/")?.contains(&"large".into()), "the folder is still there");
    guest.power_off().map(drop)
}

#[test]
fn the_init_of_the_command_line_gets_the_kernel_s_arguments() -> Result<()> {
    let mut guest = booted("init=/sbin/other-init single -- first second", RootFs::Squashfs)?;
    assert_eq!(guest.pid, 1);
    assert_eq!(guest.read("/proc/1/cmdline")?.trim_end_matches('\0'), "/sbin/other-init\0single\0first\0second");
    guest.power_off().map(drop)
}

#[test]
fn what_stands_behind_two_dashes_is_init_s_alone() -> Result<()> {
    let mut guest = booted("measureroot -- a rootimgpcr=9 measureroot.x=1 measureroot", RootFs::Squashfs)?;
    let arguments = guest.read("/proc/1/cmdline")?;
    assert_eq!(arguments, "/sbin/init\0a\0rootimgpcr=9\0measureroot.x=1\0measureroot\0");
    guest.ends_measured(&Image::small(RootFs::Squashfs)?).map(drop)
}

/// A program that prints an extended attribute: busybox has none.
const PRINT_ATTRIBUTE: &str = "printf '#include <stdio.h>\\n#include <sys/xattr.h>\\n\
    int main(int c, char **v) { char b[99] = {0}; getxattr(v[1], v[2], b, 98); return puts(b) < 0; }' >x.c && \
    gcc -static -o tree/attribute x.c";

#[test]
fn the_root_folder_has_the_label_and_the_times_of_the_image() -> Result<()> {
    // mkfs.erofs needs no privilege for a label of SELinux.
    let label = "printf '/ -d system_u:object_r:root_t:s0\\n' >labels && chmod 1751 tree";
    let make = "mkfs.erofs --quiet --all-root -T 1000000000 --file-contexts=labels made tree";
    let image = Image::root_with_busybox(&format!("{PRINT_ATTRIBUTE} && {label}"), make)?;
    let mut guest = Vm::new("root=/dev/vda").disk(&image).boots()?;
    assert_eq!(guest.run(&["/attribute", "/", "security.selinux"])?, "system_u:object_r:root_t:s0");
    assert_eq!(guest.run(&["/busybox", "stat", "-c", "%Y %a", "/"])?, "1000000000 1751");
    guest.ends_measured(&image).map(drop)
}

/// A copy of 64 MiB leaves little of the memory. The overlay takes half of that, so a system that fills it gets an error and goes
/// on.
#[test]
fn an_overlay_beside_a_copy_in_memory_ends_before_the_memory_does() -> Result<()> {
    let image =
        Image::root_with_busybox("true", "/usr/sbin/mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d tree made 64M")?;
    let vm = Vm::new("root=/dev/vda").seal(SealChoice::Ram).large().memory(256).disk(&image);
    let mut guest = vm.boots()?;
    let filled = guest.run(&["/busybox", "dd", "if=/dev/zero", "of=/fill", "bs=1M"]);
    let refused = filled.err().ok_or("the overlay has no end")?.to_string();
    ensure!(refused.contains("No space left on device"), "{refused}");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn an_overlay_that_cannot_fit_is_told() -> Result<()> {
    let vm = booted("measureroot.overlaysize=8g", RootFs::Squashfs)?.power_off()?;
    vm.says(&["measureroot.overlaysize=8g: only ", "bytes of memory are available"])
}

/// systemd-stub leaves the files in an archive of its own.
#[test]
fn what_systemd_stub_hands_over_reaches_the_booted_system() -> Result<()> {
    let scratch = Scratch::new()?;
    let line = "mkdir -p .extra/credentials && echo '{}' >.extra/tpm2-pcr-signature.json && \
                echo secret >.extra/credentials/key.cred && find .extra | cpio --quiet -o -H newc | cat - \"$0\" >all";
    let mut shell = tool::limited(Duration::from_secs(60), "sh");
    tool::finish(shell.current_dir(scratch.folder()).args(["-ec", line]).arg(Kernel::V6_1.initramfs()?))?;
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new("root=/dev/vda").initramfs(scratch.path("all")).disk(&image).boots()?;
    assert_eq!(guest.read("/run/systemd/tpm2-pcr-signature.json")?, "{}");
    assert_eq!(guest.read("/run/credentials/@encrypted/key")?, "secret");
    assert_eq!(guest.read("/run/credstore.encrypted/key")?, "secret");
    guest.ends_measured(&image).map(drop)
}
