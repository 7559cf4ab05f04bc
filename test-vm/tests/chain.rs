//! `measureroot predict --esp` and `--disk`: OVMF starts systemd-boot of several versions, which starts kernels and unified kernel images; the
//! TPM holds what was predicted. With a kernel, systemd-boot hands over the initrd by LoadFile2.

use std::path::{Path, PathBuf};
use test_vm::predict::Chain;
use test_vm::scratch::Scratch;
use test_vm::stopped_vm::StoppedVm;
use test_vm::{Builder, Bus, Firmware, Image, Kernel, Result, RootFs, Vm, ensure, predict, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// systemd-boot of this machine's Debian: 252 in Debian 12.
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
/// The program that firmware starts of a partition.
const PROGRAM: &str = "EFI/BOOT/BOOTX64.EFI";

/// The firmware finds the partition without a boot option, with Secure Boot or without it. The TPM holds what was predicted.
fn boots_as_predicted(esp: &Path, chain: &Chain, firmware: Firmware, scratch: &Scratch) -> Result<StoppedVm> {
    let vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, uki::disk(esp, &[], scratch)?);
    let vm = vm.disk(&Image::small(RootFs::Squashfs)?).boots()?.power_off()?;
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 14]);
    predict::holds(&vm, chain).map_err(|error| format!("{firmware:?}: {error}"))?;
    Ok(vm)
}

/// systemd-boot starts the only entry of its menu.
fn systemd_boot_starts(loader: &Path, entry: &str, programs: &[(&Path, &str)], firmwares: &[Firmware]) -> Result<()> {
    let scratch = Scratch::new()?;
    let programs: Vec<_> = programs.iter().copied().chain([(loader, PROGRAM)]).collect();
    let mut texts = Vec::new();
    if !entry.is_empty() {
        texts.push(("loader/entries/debian.conf", entry.to_owned()));
    }
    // The kernel skips zeros between archives (kernel, init/initramfs.c, `unpack_to_rootfs`).
    texts.push(("debian/first.img", "\0".repeat(5)));
    let esp = uki::esp(&programs, &texts, &scratch)?;
    std::fs::copy(Kernel::V6_12.initramfs()?, esp.join("debian/initrd.img"))?;
    let menu = predict::menu(&esp)?;
    ensure!(menu.len() == 1, "{menu:?}");
    firmwares.iter().try_for_each(|&firmware| boots_as_predicted(&esp, &menu[0], firmware, &scratch).map(drop))
}

/// An entry with a kernel and two initrds, of which the first has to be filled up.
fn systemd_boot_starts_a_kernel(loader: &Path) -> Result<()> {
    let entry =
        format!("linux /debian/vmlinuz\ninitrd /debian/first.img\ninitrd /debian/initrd.img\noptions {CMDLINE}\n");
    let kernel = Kernel::V6_12.image()?;
    systemd_boot_starts(loader, &entry, &[(&kernel, "debian/vmlinuz")], &[Firmware::Uefi, Firmware::SecureBoot])
}

/// A unified kernel image in the menu. An entry gives it a command line of its own, which counts without Secure Boot.
fn systemd_boot_starts_an_image(loader: &Path, uki: &Path, without_an_entry: Firmware) -> Result<()> {
    systemd_boot_starts(loader, "", &[(uki, "EFI/Linux/measured.efi")], &[without_an_entry])?;
    let entry = format!("linux /debian/measured.efi\noptions {CMDLINE} from=outside\n");
    let programs = [(uki, "debian/measured.efi")];
    systemd_boot_starts(loader, &entry, &programs, &[Firmware::Uefi, Firmware::SecureBoot])
}

/// Debian 13's loader and an image with its stub: 257.
fn loader_and_uki_257(builder: &Builder) -> Result<(PathBuf, PathBuf)> {
    let kernel = "/checkout/target/test-vm/kernel-6.12";
    builder.run(&format!(
        "cp {LOADER} loader.efi
         ukify build --linux {kernel}/vmlinuz --initrd {kernel}/initramfs.cpio.zst --os-release 'ID=test' \\
             --cmdline '{CMDLINE}' --output measured.efi"
    ))?;
    Ok((builder.file("loader.efi")?, builder.file("measured.efi")?))
}

#[test]
fn systemd_boot_252_is_measured_as_predicted() -> Result<()> {
    systemd_boot_starts_a_kernel(Path::new(LOADER))
}

#[test]
fn systemd_boot_257_is_measured_as_predicted() -> Result<()> {
    let builder = Builder::mkosi()?;
    systemd_boot_starts_a_kernel(&loader_and_uki_257(&builder)?.0)
}

#[test]
fn systemd_boot_252_with_an_image_is_measured_as_predicted() -> Result<()> {
    let scratch = Scratch::new()?;
    let uki = uki::made(&scratch, "measured", CMDLINE)?;
    systemd_boot_starts_an_image(Path::new(LOADER), &uki, Firmware::Uefi)
}

#[test]
fn systemd_boot_257_with_an_image_is_measured_as_predicted() -> Result<()> {
    let builder = Builder::mkosi()?;
    let (loader, uki) = loader_and_uki_257(&builder)?;
    systemd_boot_starts_an_image(&loader, &uki, Firmware::SecureBoot)
}

#[test]
fn a_disk_alone_tells_the_pcr_of_the_root_image_too() -> Result<()> {
    let scratch = Scratch::new()?;
    let uki = uki::made(&scratch, "measured", &CMDLINE.replace("/dev/vdb", "PARTLABEL=root"))?;
    let esp = uki::esp(&[(&uki, PROGRAM)], &[], &scratch)?;
    let disk = uki::disk_with_root(&esp, Image::small(RootFs::Squashfs)?.path(), &scratch)?;
    let chains = predict::disk(&disk)?;
    ensure!(chains.len() == 1, "{chains:?}");
    let vm = Vm::started_by(Firmware::Uefi).large().disk_file(Bus::Virtio, disk).boots()?.power_off()?;
    assert_eq!(chains[0].keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 13, 14]);
    predict::holds(&vm, &chains[0])
}
