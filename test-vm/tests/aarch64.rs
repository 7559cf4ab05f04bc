//! The agent for arm64 on an emulated arm64 machine. Its initramfs has modules of Debian's arm64 kernel. They are compressed,
//! and the TPM's driver is one of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{
    Bank, Builder, Bus, DocPage, Image, Kernel, Place, Prediction, Result, RootFs, SealChoice, Step, Vm, assets,
    ensure, predict, tool, uki,
};

/// An arm64 machine with the small root image as its disk.
fn machine(parameters: &str) -> Result<(Vm, Image)> {
    let image = Image::small_aarch64(RootFs::Squashfs)?;
    Ok((Vm::new(parameters).kernel(Kernel::Aarch64).disk(&image), image))
}

#[test]
fn an_image_boots_measured_and_sealed_on_arm64() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.boots()?;
    guest.is_sealed(SealChoice::Verity)?;
    let kernel = guest.read("/proc/version")?;
    ensure!(kernel.contains("-arm64 "), "this is no arm64 kernel: {kernel}");
    guest.ends_measured_at(&image, &Place::device("/dev/vda")).map(drop)
}

/// Debian's firmware for arm64 measures a unified kernel image, its stub and the kernel measure the rest.
#[test]
fn an_image_that_firmware_for_arm64_starts_is_measured_as_predicted() -> Result<()> {
    let (scratch, builder) = (Scratch::new()?, Builder::mkosi()?);
    builder.run(
        "cd /checkout/target/test-vm
         ukify build --efi-arch aa64 --stub stub-aarch64/usr/lib/systemd/boot/efi/linuxaa64.efi.stub \\
             --linux kernel-aarch64/vmlinuz --initrd kernel-aarch64/initramfs.cpio.zst --os-release ID=test \\
             --cmdline 'root=/dev/vdb console=ttyAMA0 panic=1 measureroot.onfail=poweroff' --output \"$OLDPWD/measured.efi\"",
    )?;
    let uki = builder.file("measured.efi")?;
    let (esp, image) = (scratch.path("esp"), Image::small_aarch64(RootFs::Squashfs)?);
    fs::create_dir_all(esp.join("EFI/BOOT"))?;
    fs::copy(&uki, esp.join("EFI/BOOT/BOOTAA64.EFI"))?;
    let vm = Vm::uefi().kernel(Kernel::Aarch64).large().disk_file(Bus::Virtio, uki::disk(&esp, &[], &scratch)?);
    let (chain, vm) = (predict::chain(&uki)?, vm.disk(&image).boots()?.power_off()?);
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 14]);
    predict::holds(&vm, &chain)
}

#[test]
fn a_failed_boot_on_arm64_extends_the_pcr() -> Result<()> {
    let (vm, _image) = machine("root=/dev/vdb measureroot.timeout=2")?;
    vm.fails()?.at(Step::WaitForDevices, "/dev/vdb")
}

/// The boot fails before it loads the module that shows the TPM.
#[test]
fn a_broken_command_line_is_marked_in_a_tpm_whose_driver_is_a_module() -> Result<()> {
    let (vm, _image) = machine("root=/dev/vda measureroot.timout=3")?;
    vm.fails()?.at(Step::ReadCommandLine, "measureroot.timout=3")
}

/// Runs the commands of docs/aarch64.md, except for the builds. Without the harness' port, the init of the small image ends by
/// itself.
#[test]
fn the_page_s_commands_boot_an_image_measured() -> Result<()> {
    let (page, here) = (DocPage::open("docs/aarch64.md")?, Scratch::new()?);
    page.has_only(&["initramfs/build --target", "test-vm/images aarch64", "qemu-system-aarch64"])?;
    let image = Image::small_aarch64(RootFs::Squashfs)?;
    symlink(assets::product("")?, here.path("target"))?;
    symlink(image.path(), here.path("rootfs.squashfs"))?;
    let images = page.block("test-vm/images aarch64")?;
    let pack = images.strip_prefix("test-vm/images aarch64\n").ok_or("test-vm/images is not the first command")?;
    let commands = format!("{pack}{}", page.block("qemu-system-aarch64")?);
    let mut bash = tool::limited(Duration::from_secs(120), "bash");
    let said = tool::finish(bash.args(["-euo", "pipefail", "-c", &commands]).current_dir(here.folder()))?;
    let digest = Bank::Sha256.of_file(image.path())?;
    ensure!(said.contains(&format!(" sha256={digest}")), "no boot of {digest}: {said}");
    let predicted = Prediction::of(image.path())?.after();
    ensure!(said.to_lowercase().contains(&predicted[&Bank::Sha256]), "{predicted:?} is not in {said}");
    Ok(())
}
