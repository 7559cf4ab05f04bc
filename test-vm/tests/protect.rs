//! The entries of the menus of GRUB and systemd-boot that docs/protect.md adds to an installed Debian: they boot the image on the root's
//! ext4, measured.

use std::fs;
use std::path::Path;
use std::time::Duration;
use test_vm::debian_disk::Release;
use test_vm::installed_disk::{self, Ext4, UUID};
use test_vm::scratch::Scratch;
use test_vm::{Bus, DocPage, Image, Kernel, Result, RootFs, Vm, tool};

/// Runs the page's commands in the block with `part`, as they are, for this root of a machine. The functions answer as the programs would
/// there. `$1` is the EFI system partition.
fn add_the_entry(root: &Path, image: &Image, part: &str, esp: &Path) -> Result<()> {
    let block = DocPage::open("docs/protect.md")?.block(part)?;
    let commands = format!(
        "cd \"$0\"
        grub-mkrelpath() {{ echo /boot; }}
        findmnt() {{ echo {UUID}; }}
        grub-reboot() {{ grub-editenv boot/grub/grubenv set next_entry=\"$1\"; }}
        esp=$1
        bootctl() {{
            case $1 in
                --print-esp-path) echo \"$esp\" ;;
                set-oneshot) echo \"default $2\" >\"$esp/loader/loader.conf\" ;;
            esac
        }}
        KERNEL=6.1.2
        LINE='root=UUID={UUID} rootimg=/measured/rootfs.squashfs console=ttyS0 panic=1 measureroot.onfail=poweroff'
        {}",
        block.replace(" /boot/", " boot/").replace("\"/boot/", "\"boot/")
    );
    fs::create_dir(root.join("measured"))?;
    fs::copy(image.path(), root.join("measured/rootfs.squashfs"))?;
    fs::copy(Kernel::V6_1.initramfs()?, root.join("boot/measureroot.img"))?;
    tool::finish(tool::limited(Duration::from_secs(60), "bash").arg("-euc").arg(commands).args([root, esp])).map(drop)
}

/// The machine boots, measured, from an image on its ext4.
fn boots(image: &Image, change: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = scratch.path("esp");
    let disk = installed_disk::changed(Release::Bookworm, Ext4::Root, &scratch, |root| change(root, &esp))?;
    let mut guest = Vm::uefi().large().disk_file(Bus::Virtio, disk).boots()?;
    let medium = guest.mount("/run/initramfs/medium")?;
    assert_eq!((medium.kind.as_str(), &medium.options[..3]), ("ext4", "ro,"));
    guest.ends_measured(image).map(drop)
}

#[test]
fn the_entry_beside_those_of_an_installed_debian_boots_its_image() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    boots(&image, |root, esp| add_the_entry(root, &image, "custom.cfg <<END", esp))
}

#[test]
fn the_entry_of_systemd_boot_boots_the_image_on_the_root() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    boots(&image, |root, esp| {
        fs::copy("/usr/lib/systemd/boot/efi/systemd-bootx64.efi", esp.join("EFI/BOOT/BOOTX64.EFI"))?;
        add_the_entry(root, &image, "bootctl set-oneshot", esp)
    })
}
