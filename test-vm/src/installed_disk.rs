//! A disk as Debian's installer leaves it: an EFI system partition with shim and GRUB, and an ext4 with the rest of GRUB, the kernels and
//! the configuration that grub-mkconfig writes.

use crate::debian_disk::Release;
use crate::{Kernel, Result, assets, scratch::Scratch, tool, uki};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The identity of the ext4.
pub const UUID: &str = "6d656173-7572-4564-8162-6f6f74000001";

/// What is on the ext4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ext4 {
    /// The root file system, which has the folder /boot.
    Root,
    /// /boot alone.
    Boot,
}

/// Makes a disk of this release. Two kernels are installed.
pub fn made(release: Release, ext4: Ext4, scratch: &Scratch) -> Result<PathBuf> {
    changed(release, ext4, scratch, |_| Ok(()))
}

/// Makes the same disk. `change` adds files to the folder that the ext4 is made of.
pub fn changed(
    release: Release,
    ext4: Ext4,
    scratch: &Scratch,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let number = if release == Release::Bookworm { "12" } else { "13" };
    let packages = assets::product(&format!("test-vm/grub/{number}"))?;
    let (esp, top) = (scratch.path("esp"), scratch.path("ext4"));
    // Where GRUB finds /boot.
    let (boot, prefix) = match ext4 {
        Ext4::Root => (top.join("boot"), "/boot/grub"),
        Ext4::Boot => (top.clone(), "/grub"),
    };
    for folder in [esp.join("EFI/BOOT"), esp.join("EFI/debian"), boot.join("grub/fonts")] {
        fs::create_dir_all(folder)?;
    }
    fs::copy(packages.join("usr/lib/shim/shimx64.efi.signed"), esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    let grub = packages.join("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed");
    fs::copy(grub, esp.join("EFI/BOOT/grubx64.efi"))?;
    // What grub-install writes (util/grub-install.c, with Debian's patch install-signed).
    let first =
        format!("search.fs_uuid {UUID} root hd0,gpt2 \nset prefix=($root)'{prefix}'\nconfigfile $prefix/grub.cfg\n");
    fs::write(esp.join("EFI/debian/grub.cfg"), first)?;
    fs::copy(packages.join("usr/share/grub/unicode.pf2"), boot.join("grub/fonts/unicode.pf2"))?;
    fs::write(boot.join("grub/grubenv"), format!("# GRUB Environment Block\n{}", "#".repeat(999)))?;
    let modules = packages.join("usr/lib/grub/x86_64-efi");
    let arguments = ["-r".as_ref(), modules.as_os_str(), boot.join("grub").as_os_str()].map(OsStr::to_owned);
    uki::run("cp", arguments)?;
    for (kernel, name) in [(Kernel::V6_12, "6.12.1"), (Kernel::V6_1, "6.1.2")] {
        fs::copy(kernel.image()?, boot.join(format!("vmlinuz-{name}")))?;
        fs::copy(kernel.initramfs()?, boot.join(format!("initrd.img-{name}")))?;
    }
    fs::write(boot.join("grub/grub.cfg"), config(number, &boot, ext4, scratch)?)?;
    change(&top)?;
    let (fat, ext, whole) = (uki::disk(&esp, &[], scratch)?, scratch.path("ext4.img"), scratch.path("installed"));
    let script = "truncate -s 400M \"$1\"
        PATH=$PATH:/usr/sbin
        printf '%s\\n' 'start=1MiB, size=96MiB, type=uefi' 'size=256MiB, type=linux' | sfdisk --quiet --label gpt \"$1\"
        mke2fs -q -t ext4 -U \"$5\" -d \"$4\" \"$3\" 256M
        dd if=\"$2\" of=\"$1\" bs=1M seek=1 conv=notrunc status=none
        dd if=\"$3\" of=\"$1\" bs=1M seek=97 conv=notrunc,sparse status=none";
    let paths = [&whole, &fat, &ext, &top].map(AsRef::as_ref);
    let arguments = ["-euc", script, "-"].map(OsStr::new).into_iter().chain(paths).chain([UUID.as_ref()]);
    uki::run("bash", arguments)?;
    Ok(whole)
}

/// The configuration that grub-mkconfig writes.
fn config(number: &str, boot: &Path, ext4: Ext4, scratch: &Scratch) -> Result<String> {
    let default = scratch.path("default");
    fs::write(
        &default,
        "GRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_DISABLE_LINUX_UUID=true\nGRUB_DEFAULT=saved\nGRUB_SAVEDEFAULT=true\n\
         GRUB_CMDLINE_LINUX=\"console=ttyS0 panic=1 measureroot.onfail=poweroff\"\n",
    )?;
    let mut make = tool::limited(Duration::from_secs(60), assets::checkout().join("test-vm/grub-config"));
    make.arg(number).arg(boot).arg(&default).arg(UUID);
    make.arg(if ext4 == Ext4::Root { "ext4-root" } else { "ext4-boot" });
    tool::finish(&mut make)
}
