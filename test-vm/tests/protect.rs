//! The entry of GRUB's menu that docs/protect.md adds to an installed Debian: it boots the image on the root's ext4, measured.

use std::fs;
use std::path::Path;
use std::time::Duration;
use test_vm::debian_disk::Release;
use test_vm::installed_disk::{self, Ext4, UUID};
use test_vm::scratch::Scratch;
use test_vm::{Bus, DocPage, Image, Kernel, Result, RootFs, Vm, tool};

/// Runs the page's commands for GRUB, as they are, for this root of a machine. The functions answer as the programs would there.
fn add_the_entry(root: &Path, image: &Image) -> Result<()> {
    let block = DocPage::open("docs/protect.md")?.block("custom.cfg <<END")?;
    let commands = format!(
        "cd \"$0\"
        grub-mkrelpath() {{ echo /boot; }}
        findmnt() {{ echo {UUID}; }}
        grub-reboot() {{ grub-editenv boot/grub/grubenv set next_entry=\"$1\"; }}
        KERNEL=6.1.2
        LINE='root=UUID={UUID} rootimg=/measured/rootfs.squashfs console=ttyS0 panic=1 measureroot.onfail=poweroff'
        {}",
        block.replace("> /boot/", "> boot/")
    );
    fs::create_dir(root.join("measured"))?;
    fs::copy(image.path(), root.join("measured/rootfs.squashfs"))?;
    fs::copy(Kernel::V6_1.initramfs()?, root.join("boot/measureroot.img"))?;
    tool::finish(tool::limited(Duration::from_secs(60), "bash").arg("-euc").arg(commands).arg(root)).map(drop)
}

#[test]
fn the_entry_beside_those_of_an_installed_debian_boots_its_image() -> Result<()> {
    let (scratch, image) = (Scratch::new()?, Image::small(RootFs::Squashfs)?);
    let disk = installed_disk::changed(Release::Bookworm, Ext4::Root, &scratch, |root| add_the_entry(root, &image))?;
    let mut guest = Vm::uefi().large().disk_file(Bus::Virtio, disk).boots()?;
    let medium = guest.mount("/run/initramfs/medium")?;
    assert_eq!((medium.kind.as_str(), &medium.options[..3]), ("ext4", "ro,"));
    guest.ends_measured(&image).map(drop)
}
