//! The agent for arm64, on a machine of that kind: with the modules of Debian's arm64 kernel, which are compressed, the TPM's
//! driver among them.

use std::os::unix::fs::symlink;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bank, DocPage, Image, Kernel, Prediction, Result, Seal, Vm, assets, ensure, tool};

/// An arm64 machine with the small root image as its disk.
fn machine(parameters: &str) -> Result<(Vm, Image)> {
    let image = Image::small_aarch64("squashfs")?;
    Ok((Vm::new(parameters).kernel(Kernel::Aarch64).disk(&image), image))
}

#[test]
fn an_image_boots_measured_and_sealed() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.boots()?;
    guest.measured_at(&image, ("device", "/dev/vda", None))?;
    let seal = guest.status()?.seal;
    ensure!(matches!(seal, Seal::Verity { .. }), "sealed by {seal:?}");
    let kernel = guest.read("/proc/version")?;
    ensure!(kernel.contains("-arm64 "), "this is no arm64: {kernel}");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_boot_that_fails_is_told_to_the_tpm() -> Result<()> {
    let (vm, _image) = machine("root=/dev/vdb measureroot.timeout=2")?;
    vm.fails()?.at("wait for devices", "/dev/vdb")
}

/// docs/aarch64.md, followed from the kernel on. The small image's init gives up by itself without the boot test's port.
#[test]
fn the_page_boots_an_image_measured() -> Result<()> {
    let (page, here) = (DocPage::open("docs/aarch64.md")?, Scratch::new()?);
    page.is_only(&["initramfs/build --target", "test-vm/images aarch64", "qemu-system-aarch64"])?;
    let image = Image::small_aarch64("squashfs")?;
    symlink(assets::product("")?, here.path("target"))?;
    symlink(image.path(), here.path("rootfs.squashfs"))?;
    let pack = page.block("test-vm/images aarch64")?.strip_prefix("test-vm/images aarch64\n").ok_or("not first")?;
    let commands = format!("{pack}{}", page.block("qemu-system-aarch64")?);
    let mut bash = tool::limited(Duration::from_mins(2), "bash");
    let said = tool::finish(bash.args(["-euo", "pipefail", "-c", &commands]).current_dir(here.folder()))?;
    let digest = Bank::Sha256.of_file(image.path())?;
    ensure!(said.contains(&format!(" sha256={digest}")), "no boot of {digest}: {said}");
    let predicted = Prediction::of(image.path())?.after();
    ensure!(said.to_lowercase().contains(&predicted[&Bank::Sha256]), "{predicted:?} is not in {said}");
    Ok(())
}
