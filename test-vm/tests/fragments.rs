//! A kernel of the fragments alone, with an initramfs of the agent alone, boots every form of image from every medium that the
//! fragments name, with every seal.

use std::time::Duration;
use test_vm::{
    Bus, Image, Kernel, Medium, Place, PreparedImage, Result, RootFs, Seal, SealChoice, Uncompressed, Vm, assets,
    ensure, tool,
};

/// The path of the small squashfs on the media.
const FILE: &str = "/images/root.squashfs";

/// A disk or a medium, and the bus that connects it.
struct Drive {
    bus: Bus,
    content: Image,
}

/// The image boots from this drive with this seal, is found at `place`, and is measured as predicted.
fn boots(parameters: &str, drive: &Drive, image: &Image, seal: SealChoice, place: &Place) -> Result<()> {
    let vm = Vm::new(parameters).seal(seal).kernel(Kernel::Own);
    let mut guest = vm.disk_on(drive.bus, &drive.content).boots()?;
    guest.is_sealed(seal)?;
    guest.ends_measured_at(image, place).map(drop)
}

/// The small root image in this format is the whole device `node`.
fn device_boots(format: RootFs, bus: Bus, node: &str, seal: SealChoice) -> Result<()> {
    let drive = Drive { bus, content: Image::small(format)? };
    boots(&format!("root={node}"), &drive, &drive.content, seal, &Place::device(node))
}

/// The small squashfs is a file on a medium of this format, which is the device `node`.
fn file_boots(medium: Medium, bus: Bus, node: &str, seal: SealChoice) -> Result<()> {
    let drive = Drive { bus, content: Image::medium(medium)? };
    let parameters = format!("root={node} rootimg={FILE}");
    boots(&parameters, &drive, &Image::small(RootFs::Squashfs)?, seal, &Place::file_on(node, FILE))
}

#[test]
fn every_option_of_the_fragments_is_built_in() -> Result<()> {
    let fragments = assets::checkout().join("kernel-fragments");
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
fn a_squashfs_on_nvme_boots() -> Result<()> {
    device_boots(RootFs::Squashfs, Bus::Nvme, "/dev/nvme0n1", SealChoice::Verity)
}

#[test]
fn an_erofs_on_virtio_boots() -> Result<()> {
    device_boots(RootFs::Erofs, Bus::Virtio, "/dev/vda", SealChoice::Ram)
}

#[test]
fn an_ext4_on_sata_boots() -> Result<()> {
    device_boots(RootFs::Ext4, Bus::Sata, "/dev/sda", SealChoice::None)
}

#[test]
fn a_partition_larger_than_its_image_boots() -> Result<()> {
    let drive = Drive { bus: Bus::Virtio, content: Image::partitioned_medium()? };
    let (image, place) = (Image::small(RootFs::Squashfs)?, Place::device("/dev/vda2"));
    boots("root=PARTLABEL=measured-root", &drive, &image, SealChoice::Verity, &place)
}

#[test]
fn a_file_on_vfat_on_a_memory_stick_boots() -> Result<()> {
    file_boots(Medium::Vfat, Bus::Usb, "/dev/sda", SealChoice::Verity)
}

#[test]
fn a_file_on_ext4_boots() -> Result<()> {
    file_boots(Medium::Ext4, Bus::Virtio, "/dev/vda", SealChoice::None)
}

#[test]
fn a_file_on_a_cd_rom_boots() -> Result<()> {
    file_boots(Medium::Iso, Bus::CdRom, "/dev/sr0", SealChoice::Ram)
}

#[test]
fn a_file_that_is_searched_for_boots() -> Result<()> {
    let drive = Drive { bus: Bus::Virtio, content: Image::medium(Medium::Squashfs)? };
    let (image, place) = (Image::small(RootFs::Squashfs)?, Place::searched_on("/dev/vda", FILE));
    boots(&format!("rootimg={FILE}"), &drive, &image, SealChoice::Verity, &place)
}

#[test]
fn an_image_that_veritysetup_prepared_boots() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Squashfs, "held to its root hash")?;
    let prepared = PreparedImage::behind(&image)?;
    let parameters = format!("{} measureroot.hashoffset={}", prepared.parameter(), prepared.offset);
    let vm = Vm::new("root=/dev/vda").with(&parameters).kernel(Kernel::Own);
    let mut guest = vm.disk(&prepared.image).boots()?;
    ensure!(guest.read("/secret")? == "held to its root hash", "the image has another secret");
    let seal = guest.status()?.seal;
    ensure!(matches!(seal, Seal::Roothash { .. }), "the seal is {seal:?}");
    guest.ends_as(&prepared.predicted()?).map(drop)
}
