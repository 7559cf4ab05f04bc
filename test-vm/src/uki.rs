//! Unified kernel images with the stub of this machine's Debian, and disks from which firmware starts programs.

use crate::{Kernel, Result, scratch::Scratch, signed::signed, tool};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The stub: 252 in Debian 12.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// A folder with the files of an EFI system partition: programs are signed.
pub fn esp(programs: &[(&Path, &str)], texts: &[(&str, String)], scratch: &Scratch) -> Result<PathBuf> {
    let esp = scratch.path("esp");
    let place = |path: &str| -> Result<PathBuf> {
        let file = esp.join(path);
        std::fs::create_dir_all(file.parent().ok_or("a path has a folder")?)?;
        Ok(file)
    };
    for (program, path) in programs {
        std::fs::copy(signed(program, scratch)?, place(path)?)?;
    }
    for (path, text) in texts {
        std::fs::write(place(path)?, text)?;
    }
    Ok(esp)
}

/// Makes an image `name` with Debian's 6.12 kernel, its initramfs and a command line.
pub fn made(scratch: &Scratch, name: &str, cmdline: &str) -> Result<PathBuf> {
    of(scratch, name, Kernel::V6_12, &Kernel::V6_12.initramfs()?, cmdline)
}

/// Makes an image `name` with a kernel, an initramfs and a command line.
pub fn of(scratch: &Scratch, name: &str, kernel: Kernel, initramfs: &Path, cmdline: &str) -> Result<PathBuf> {
    let [uki, line, osrel] = ["efi", "cmdline", "osrel"].map(|end| scratch.path(&format!("{name}.{end}")));
    std::fs::write(&line, cmdline)?;
    std::fs::write(&osrel, "ID=test\n")?;
    let parts = [
        ("osrel", osrel, "0x20000"),
        ("cmdline", line, "0x30000"),
        ("linux", kernel.image()?, "0x2000000"),
        ("initrd", initramfs.to_owned(), "0x4000000"),
    ];
    let options = parts.iter().flat_map(|(name, file, place)| {
        let (add, place) = (format!(".{name}={}", file.display()), format!(".{name}={place}"));
        ["--add-section".to_owned(), add, "--change-section-vma".to_owned(), place]
    });
    run("objcopy", options.chain([STUB.to_owned(), uki.display().to_string()]))?;
    Ok(uki)
}

/// A disk that the firmware finds without a boot option: one FAT with the files of a folder, made with `options` of mkfs.vfat.
pub fn disk(folder: &Path, options: &[&str], scratch: &Scratch) -> Result<PathBuf> {
    let disk = scratch.path("disk");
    std::fs::File::create(&disk)?.set_len(96 << 20)?;
    run("mkfs.vfat", options.iter().map(OsStr::new).chain([disk.as_os_str()]))?;
    for entry in std::fs::read_dir(folder)? {
        let (copy, to, from) = (["-s", "-i"].map(OsStr::new), OsStr::new("::/"), entry?.path());
        run("mcopy", copy.into_iter().chain([disk.as_os_str(), from.as_os_str(), to]))?;
    }
    Ok(disk)
}

/// A disk with GPT: the FAT that [`disk`] makes, and a partition with the name `root` that has a root image.
pub fn disk_with_root(folder: &Path, root: &Path, scratch: &Scratch) -> Result<PathBuf> {
    let (fat, whole) = (disk(folder, &[], scratch)?, scratch.path("whole"));
    let make = "truncate -s 256M \"$1\" && PATH=$PATH:/usr/sbin sfdisk --quiet \"$1\" <<END
label: gpt
start=1MiB, size=96MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
size=150MiB, type=L, name=root
END
        dd if=\"$2\" of=\"$1\" bs=1M seek=1 conv=notrunc status=none
        dd if=\"$3\" of=\"$1\" bs=1M seek=97 conv=notrunc status=none";
    run("bash", ["-euc", make, "-"].map(OsStr::new).into_iter().chain([&whole, &fat, root].map(AsRef::as_ref)))?;
    Ok(whole)
}

/// Runs a program that must succeed.
pub fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    tool::output(Duration::from_secs(60), program, arguments).map(drop)
}
