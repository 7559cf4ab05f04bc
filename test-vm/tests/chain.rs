//! `measureroot predict --uki` and `--esp`: OVMF starts unified kernel images of several stubs, and systemd-boot of several versions;
//! the TPM holds what was predicted.

use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::predict::Chain;
use test_vm::scratch::Scratch;
use test_vm::signed::signed;
use test_vm::stopped_vm::StoppedVm;
use test_vm::{Builder, Bus, Firmware, Image, Kernel, Result, RootFs, Vm, ensure, predict, tool};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// systemd-boot of this machine's Debian, and the stub: 252 in Debian 12.
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

fn run<A: AsRef<std::ffi::OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<()> {
    tool::output(Duration::from_secs(60), program, arguments).map(drop)
}

/// A disk that the firmware finds without a boot option: one FAT with the image as \EFI\BOOT\BOOTX64.EFI.
fn disk(uki: &Path, scratch: &Scratch) -> Result<PathBuf> {
    let disk = scratch.path("disk");
    std::fs::File::create(&disk)?.set_len(64 << 20)?;
    let (image, file) = (disk.display().to_string(), uki.display().to_string());
    run("mkfs.vfat", [&image])?;
    run("mmd", ["-i", &image, "::/EFI", "::/EFI/BOOT"])?;
    run("mcopy", ["-i", &image, &file, "::/EFI/BOOT/BOOTX64.EFI"])?;
    Ok(disk)
}

/// The firmware starts the image, without Secure Boot and with it, and the TPM holds what was predicted.
fn boots_as_predicted(uki: &Path, stub: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let said = predict::words(uki)?;
    ensure!(said.contains(&format!("systemd-stub {stub}")), "not stub {stub}: {said}");
    let uki = &signed(uki, &scratch)?;
    for firmware in [Firmware::Uefi, Firmware::SecureBoot] {
        let vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, disk(uki, &scratch)?);
        let vm = vm.disk(&Image::small(RootFs::Squashfs)?).boots()?.power_off()?;
        let chain = predict::chain(uki)?;
        holds(&vm, &chain).map_err(|error| format!("{firmware:?}: {error}"))?;
        let answers = predict::answers(&chain[&4], &vm.pcrs(4)?, 4)?;
        let is_on = answers.iter().any(|answer| answer == "Secure Boot is on");
        ensure!(is_on == (firmware == Firmware::SecureBoot), "{firmware:?}: {answers:?}");
    }
    Ok(())
}

/// The TPM holds one of the predicted values of each PCR, in every bank.
fn holds(vm: &StoppedVm, chain: &Chain) -> Result<()> {
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 14]);
    for (pcr, values) in chain {
        predict::answers(values, &vm.pcrs(*pcr)?, *pcr)?;
    }
    Ok(())
}

/// systemd-boot starts the only entry of its menu: a kernel with two initrds, of which the first has to be filled up.
fn systemd_boot_boots_as_predicted(loader: &Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let (esp, disk) = (scratch.path("esp"), scratch.path("disk"));
    for folder in ["EFI/BOOT", "debian", "loader/entries"] {
        std::fs::create_dir_all(esp.join(folder))?;
    }
    std::fs::copy(signed(loader, &scratch)?, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    std::fs::copy(signed(&Kernel::V6_12.image()?, &scratch)?, esp.join("debian/vmlinuz"))?;
    std::fs::copy(Kernel::V6_12.initramfs()?, esp.join("debian/initrd.img"))?;
    // The kernel skips zeros between archives (kernel, init/initramfs.c, `unpack_to_rootfs`).
    std::fs::write(esp.join("debian/first.img"), [0; 5])?;
    let entry = "linux /debian/vmlinuz\ninitrd /debian/first.img\ninitrd /debian/initrd.img";
    std::fs::write(esp.join("loader/entries/debian.conf"), format!("{entry}\noptions {CMDLINE}\n"))?;
    std::fs::File::create(&disk)?.set_len(64 << 20)?;
    let image = disk.display().to_string();
    run("mkfs.vfat", [&image])?;
    for folder in ["EFI", "debian", "loader"] {
        run("mcopy", ["-s", "-i", &image, &esp.join(folder).display().to_string(), "::/"])?;
    }
    let menu = predict::menu(&esp)?;
    ensure!(menu.len() == 1, "{menu:?}");
    for firmware in [Firmware::Uefi, Firmware::SecureBoot] {
        let vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, disk.clone());
        let vm = vm.disk(&Image::small(RootFs::Squashfs)?).boots()?.power_off()?;
        holds(&vm, &menu[0]).map_err(|error| format!("{firmware:?}: {error}"))?;
    }
    Ok(())
}

#[test]
fn systemd_boot_252_is_measured_as_predicted() -> Result<()> {
    systemd_boot_boots_as_predicted(Path::new(LOADER))
}

#[test]
fn systemd_boot_257_is_measured_as_predicted() -> Result<()> {
    let builder = Builder::mkosi()?;
    builder.run(&format!("cp {LOADER} loader.efi"))?;
    systemd_boot_boots_as_predicted(&builder.file("loader.efi")?)
}

#[test]
fn a_stub_252_is_measured_as_predicted() -> Result<()> {
    let scratch = Scratch::new()?;
    let (uki, cmdline, osrel) = (scratch.path("measured.efi"), scratch.path("cmdline"), scratch.path("osrel"));
    std::fs::write(&cmdline, CMDLINE)?;
    std::fs::write(&osrel, "ID=test\n")?;
    let parts = [
        ("osrel", osrel, "0x20000"),
        ("cmdline", cmdline, "0x30000"),
        ("linux", Kernel::V6_12.image()?, "0x2000000"),
        ("initrd", Kernel::V6_12.initramfs()?, "0x4000000"),
    ];
    let options = parts.iter().flat_map(|(name, file, place)| {
        let (add, place) = (format!(".{name}={}", file.display()), format!(".{name}={place}"));
        ["--add-section".to_owned(), add, "--change-section-vma".to_owned(), place]
    });
    run("objcopy", options.chain([STUB.to_owned(), uki.display().to_string()]))?;
    boots_as_predicted(&uki, "252")
}

#[test]
fn a_stub_257_is_measured_as_predicted() -> Result<()> {
    let builder = Builder::mkosi()?;
    let kernel = "/checkout/target/test-vm/kernel-6.12";
    builder.run(&format!(
        "ukify build --linux {kernel}/vmlinuz --initrd {kernel}/initramfs.cpio.zst --os-release 'ID=test' \\
             --cmdline '{CMDLINE}' --output measured.efi"
    ))?;
    boots_as_predicted(&builder.file("measured.efi")?, "257")
}
