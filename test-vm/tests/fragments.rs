//! The kernel of the fragments alone, with an initramfs that is the agent alone: it boots every form of image from every
//! medium that the fragments name, with every seal.

use std::time::Duration;
use test_vm::{Bus, Image, Kernel, PreparedImage, Result, Seal, Vm, assets, ensure, tool};

const MEDIUM_IMAGE: &str = "/images/root.squashfs";

/// The image boots from `medium` with this seal, is found at `place`, and is measured as predicted.
fn boots(
    parameters: &str,
    (bus, medium): (Bus, &Image),
    image: &Image,
    seal: &str,
    place: (&str, &str, Option<&str>),
) -> Result<()> {
    let vm = Vm::new(parameters).with(&format!("measureroot.seal={seal}")).kernel(Kernel::Own);
    let mut guest = vm.disk_on(bus, medium).boots()?;
    guest.measured_at(image, place)?;
    let made = guest.status()?.seal;
    let asked = matches!((seal, &made), ("verity", Seal::Verity { .. }) | ("ram", Seal::Ram) | ("none", Seal::None));
    ensure!(asked, "{made:?} instead of {seal}");
    guest.ends_measured(image).map(drop)
}

/// The small root image in this format, as a whole device.
fn device_boots(format: &str, bus: Bus, node: &str, seal: &str) -> Result<()> {
    let image = Image::small(format)?;
    boots(&format!("root={node}"), (bus, &image), &image, seal, ("device", node, None))
}

/// The small squashfs as a file on a medium of this format.
fn file_boots(format: &str, bus: Bus, node: &str, seal: &str) -> Result<()> {
    let (medium, image) = (Image::medium(format)?, Image::small("squashfs")?);
    let parameters = format!("root={node} rootimg={MEDIUM_IMAGE}");
    boots(&parameters, (bus, &medium), &image, seal, ("file", node, Some(MEDIUM_IMAGE)))
}

#[test]
fn nothing_that_was_asked_for_is_missing_or_a_module() -> Result<()> {
    let fragments = assets::product("../kernel-fragments")?;
    let mut check = tool::limited(Duration::from_secs(30), fragments.join("check"));
    let said = tool::finish(
        check
            .arg(Kernel::Own.config()?)
            .args(["measureroot.scc", "tpm-session.scc", "test-vm.scc"].map(|name| fragments.join(name))),
    )?;
    ensure!(said.trim_end().ends_with(": 0 missing or different, 0 modules"), "{said}");
    Ok(())
}

#[test]
fn a_squashfs_on_nvme() -> Result<()> {
    device_boots("squashfs", Bus::Nvme, "/dev/nvme0n1", "verity")
}

#[test]
fn an_erofs_on_virtio() -> Result<()> {
    device_boots("erofs", Bus::Virtio, "/dev/vda", "ram")
}

#[test]
fn an_ext4_on_sata() -> Result<()> {
    device_boots("ext4", Bus::Sata, "/dev/sda", "none")
}

#[test]
fn a_partition_larger_than_its_image() -> Result<()> {
    let (disk, image) = (Image::medium("gpt")?, Image::small("squashfs")?);
    boots("root=PARTLABEL=measured-root", (Bus::Virtio, &disk), &image, "verity", ("device", "/dev/vda2", None))
}

#[test]
fn a_file_on_vfat_on_a_memory_stick() -> Result<()> {
    file_boots("vfat", Bus::Usb, "/dev/sda", "verity")
}

#[test]
fn a_file_on_ext4() -> Result<()> {
    file_boots("ext4", Bus::Virtio, "/dev/vda", "none")
}

#[test]
fn a_file_on_a_cd_rom() -> Result<()> {
    file_boots("iso", Bus::CdRom, "/dev/sr0", "ram")
}

#[test]
fn a_file_that_is_searched() -> Result<()> {
    let (medium, image) = (Image::medium("squashfs")?, Image::small("squashfs")?);
    let place = ("searched", "/dev/vda", Some(MEDIUM_IMAGE));
    boots(&format!("rootimg={MEDIUM_IMAGE}"), (Bus::Virtio, &medium), &image, "verity", place)
}

#[test]
fn an_image_that_veritysetup_prepared() -> Result<()> {
    let prepared = PreparedImage::behind(&Image::plain("squashfs", "held to its root hash")?)?;
    let parameters = format!("roothash={} measureroot.hashoffset={}", prepared.root_hash, prepared.offset);
    let vm = Vm::new("root=/dev/vda").with(&parameters).kernel(Kernel::Own);
    let mut guest = vm.disk(&prepared.image).boots()?;
    ensure!(guest.read("/secret")? == "held to its root hash", "the image has another secret");
    let sealed = guest.status()?.seal;
    ensure!(matches!(sealed, Seal::Roothash { .. }), "sealed by {sealed:?}");
    guest.ends_as(&prepared.predicted()?).map(drop)
}
