//! Unified kernel images with the stub of this machine's Debian, and disks from which firmware starts them.

use crate::{Kernel, Result, scratch::Scratch, tool};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The stub: 252 in Debian 12.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// Makes an image `name` with a kernel, its initramfs and a command line.
pub fn made(scratch: &Scratch, name: &str, cmdline: &str) -> Result<PathBuf> {
    let [uki, line, osrel] = ["efi", "cmdline", "osrel"].map(|end| scratch.path(&format!("{name}.{end}")));
    std::fs::write(&line, cmdline)?;
    std::fs::write(&osrel, "ID=test\n")?;
    let parts = [
        ("osrel", osrel, "0x20000"),
        ("cmdline", line, "0x30000"),
        ("linux", Kernel::V6_12.image()?, "0x2000000"),
        ("initrd", Kernel::V6_12.initramfs()?, "0x4000000"),
    ];
    let options = parts.iter().flat_map(|(name, file, place)| {
        let (add, place) = (format!(".{name}={}", file.display()), format!(".{name}={place}"));
        ["--add-section".to_owned(), add, "--change-section-vma".to_owned(), place]
    });
    run("objcopy", options.chain([STUB.to_owned(), uki.display().to_string()]))?;
    Ok(uki)
}

/// A disk that the firmware finds without a boot option: one FAT with the program as \EFI\BOOT\BOOTX64.EFI.
pub fn disk(program: &Path, scratch: &Scratch) -> Result<PathBuf> {
    let disk = scratch.path(&format!("{}.disk", program.file_name().unwrap_or_default().display()));
    std::fs::File::create(&disk)?.set_len(64 << 20)?;
    let (image, file) = (disk.display().to_string(), program.display().to_string());
    run("mkfs.vfat", [&image])?;
    run("mmd", ["-i", &image, "::/EFI", "::/EFI/BOOT"])?;
    run("mcopy", ["-i", &image, &file, "::/EFI/BOOT/BOOTX64.EFI"])?;
    Ok(disk)
}

fn run<A: AsRef<std::ffi::OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    tool::output(Duration::from_secs(60), program, arguments).map(drop)
}
