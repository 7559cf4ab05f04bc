//! A disk for Secure Boot: shim and GRUB that Debian signed, its signed kernel, and the configuration that Debian writes.

use crate::{Kernel, Result, assets, scratch::Scratch, tool, uki};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The identity of the FAT, as mkfs.vfat takes it and as GRUB writes it.
const ID: [&str; 2] = ["6D656173", "6D65-6173"];

/// Where that FAT is on the disk.
const FAT: &str = "@@1M";

/// The release that shim, GRUB and the configuration are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian 12: GRUB 2.06.
    Bookworm,
    /// Debian 13: GRUB 2.12.
    Trixie,
}

/// Makes a disk with a GPT and one FAT, which is the EFI system partition and has /boot. Two kernels are installed.
pub fn made(release: Release, scratch: &Scratch) -> Result<PathBuf> {
    let number = if release == Release::Bookworm { "12" } else { "13" };
    let packages = assets::product(&format!("test-vm/grub/{number}"))?;
    let esp = scratch.path("esp");
    for folder in ["EFI/BOOT", "EFI/debian", "boot/grub/fonts"] {
        fs::create_dir_all(esp.join(folder))?;
    }
    fs::copy(packages.join("usr/lib/shim/shimx64.efi.signed"), esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    let grub = packages.join("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed");
    fs::copy(grub, esp.join("EFI/BOOT/grubx64.efi"))?;
    // What grub-install writes (util/grub-install.c, with Debian's patch install-signed).
    let first = format!(
        "search.fs_uuid {} root hd0,gpt1 \nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
        ID[1]
    );
    fs::write(esp.join("EFI/debian/grub.cfg"), first)?;
    fs::copy(packages.join("usr/share/grub/unicode.pf2"), esp.join("boot/grub/fonts/unicode.pf2"))?;
    fs::write(esp.join("boot/grub/grubenv"), format!("# GRUB Environment Block\n{}", "#".repeat(999)))?;
    for (kernel, name) in [(Kernel::V6_12, "6.12.1"), (Kernel::V6_1, "6.1.2")] {
        fs::copy(kernel.image()?, esp.join(format!("boot/vmlinuz-{name}")))?;
        fs::copy(kernel.initramfs()?, esp.join(format!("boot/initrd.img-{name}")))?;
    }
    let default = scratch.path("default");
    fs::write(
        &default,
        "GRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_DISABLE_LINUX_UUID=true\n\
         GRUB_CMDLINE_LINUX=\"console=ttyS0 panic=1 measureroot.onfail=poweroff\"\n",
    )?;
    let mut make = tool::limited(Duration::from_secs(60), assets::checkout().join("test-vm/grub-config"));
    make.arg(number).arg(esp.join("boot")).arg(&default).arg(ID[1]);
    fs::write(esp.join("boot/grub/grub.cfg"), tool::finish(&mut make)?)?;
    let (fat, whole) = (uki::disk(&esp, &["-i", ID[0]], scratch)?, scratch.path("debian"));
    let script = "truncate -s 100M \"$1\"
        echo 'start=1MiB, size=96MiB, type=uefi' | PATH=$PATH:/usr/sbin sfdisk --quiet --label gpt \"$1\"
        dd if=\"$2\" of=\"$1\" bs=1M seek=1 conv=notrunc status=none";
    uki::run("bash", ["-euc", script, "-"].map(OsStr::new).into_iter().chain([&whole, &fat].map(AsRef::as_ref)))?;
    Ok(whole)
}

/// Adds bytes behind a file of that FAT.
pub fn lengthen(disk: &Path, file: &str, scratch: &Scratch) -> Result<()> {
    let (fat, path, copy) = (format!("{}{FAT}", disk.display()), format!("::/{file}"), scratch.path("longer"));
    let copy_path = copy.as_os_str();
    uki::run("mcopy", [OsStr::new("-n"), "-i".as_ref(), fat.as_ref(), path.as_ref(), copy_path])?;
    fs::write(&copy, [fs::read(&copy)?, vec![1; 8]].concat())?;
    uki::run("mcopy", [OsStr::new("-o"), "-i".as_ref(), fat.as_ref(), copy_path, path.as_ref()])
}
