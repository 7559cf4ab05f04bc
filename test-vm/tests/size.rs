//! Images of unexpected sizes: no byte, one byte, a length that no loop device can have, disks with large sectors, and disks
//! whose size changes while they are hashed.

use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{
    Bus, Failed, Image, Medium, Place, Prediction, Result, RootFs, Seal, SealChoice, Step, Uncompressed, Vm, ensure,
};

/// The boot finds this object, and fails because it is no image.
fn is_no_image(failed: &Failed, object: &str) -> Result<()> {
    failed.at(Step::FindImage, object)?;
    failed.because(&["no known file system is on it"])
}

/// The boot from this file of the medium fails.
fn fails_on(medium: Medium, file: &str) -> Result<()> {
    let vm = Vm::new("root=/dev/vda").with(&format!("rootimg=/images/{file}")).disk(&Image::medium(medium)?);
    is_no_image(&vm.fails()?, &format!("/images/{file} on /dev/vda"))
}

#[test]
fn an_empty_file_on_vfat_is_no_image() -> Result<()> {
    fails_on(Medium::Vfat, "empty")
}

#[test]
fn an_empty_file_on_ext4_is_no_image() -> Result<()> {
    fails_on(Medium::Ext4, "empty")
}

#[test]
fn a_file_of_one_byte_on_vfat_is_no_image() -> Result<()> {
    fails_on(Medium::Vfat, "byte")
}

#[test]
fn a_file_of_one_byte_on_ext4_is_no_image() -> Result<()> {
    fails_on(Medium::Ext4, "byte")
}

#[test]
fn an_empty_file_that_is_searched_for_is_no_image() -> Result<()> {
    let vm = Vm::new("rootimg=/images/empty measureroot.timeout=2").disk(&Image::medium(Medium::Vfat)?);
    is_no_image(&vm.fails()?, "/images/empty")
}

#[test]
fn a_disk_without_sectors_is_no_device() -> Result<()> {
    let empty = Image::small(RootFs::Squashfs)?.cut(0)?;
    let failed = Vm::new("root=/dev/vda measureroot.timeout=2").disk(&empty).fails()?;
    failed.at(Step::WaitForDevices, "/dev/vda")?;
    failed.because(&["vda (empty)"])
}

/// A disk has whole sectors: QEMU adds 511 zeros.
#[test]
fn a_disk_of_one_byte_is_no_image() -> Result<()> {
    let byte = Image::small(RootFs::Squashfs)?.cut(1)?;
    is_no_image(&Vm::new("root=/dev/vda").disk(&byte).fails()?, "/dev/vda")
}

#[test]
fn the_search_for_a_file_passes_a_disk_without_sectors() -> Result<()> {
    let (image, medium) = (Image::small(RootFs::Squashfs)?, Image::medium(Medium::Vfat)?);
    let empty = image.cut(0)?;
    let guest = Vm::new("rootimg=/images/root.squashfs").disk(&empty).disk(&medium).boots()?;
    guest.ends_measured_at(&image, &Place::searched_on("/dev/vdb", "/images/root.squashfs")).map(drop)
}

/// A disk's size in MiB, and another size that it gets while it is hashed.
struct Resize {
    from: u64,
    to: u64,
}

impl Resize {
    /// The boot fails. The image has 64 MiB, and the slow disk needs four seconds for that.
    fn fails(self) -> Result<Failed> {
        let image = Image::small(RootFs::Squashfs)?.enlarged(64 << 20)?.on_disk_of(self.from << 20)?;
        let mut machine = Vm::new("root=/dev/vda").start()?;
        machine.reaches(Step::WaitForDevices)?;
        machine.plug_slow(&image)?;
        machine.reaches(Step::HashImage)?;
        machine.resize(self.to << 20)?;
        let failed = machine.failed()?;
        failed.at(Step::HashImage, "/dev/vda")?;
        Ok(failed)
    }
}

#[test]
fn a_disk_that_becomes_smaller_than_the_image_while_it_is_hashed_fails_the_boot() -> Result<()> {
    Resize { from: 64, to: 32 }.fails().map(drop)
}

#[test]
fn a_disk_that_shrinks_behind_the_image_while_it_is_hashed_fails_the_boot() -> Result<()> {
    Resize { from: 96, to: 80 }.fails()?.because(&["100663296", "83886080"])
}

#[test]
fn a_disk_that_grows_while_it_is_hashed_fails_the_boot() -> Result<()> {
    Resize { from: 64, to: 128 }.fails()?.because(&["67108864", "134217728"])
}

/// An image whose last sector is incomplete, and a medium that holds it as a file.
fn odd_file() -> Result<(Image, Image)> {
    let image = Image::uncompressed(Uncompressed::UnpaddedSquashfs, "any")?;
    ensure!(image.bytes()? % 512 != 0, "the image has whole sectors");
    let medium = Image::holding(Medium::Ext4, &image)?;
    Ok((image, medium))
}

#[test]
fn without_a_seal_a_file_with_an_incomplete_sector_is_not_mounted() -> Result<()> {
    let (image, medium) = odd_file()?;
    let failed = Vm::new("root=/dev/vda rootimg=/image").seal(SealChoice::None).disk(&medium).fails()?;
    failed.at_step(Step::MountImage, "/image on /dev/vda")?;
    failed.because(&["measureroot.seal=ram"])?;
    let measured = Prediction::of(image.path())?.after();
    failed.vm.holds(DEFAULT_PCR, Some(&measured), FAILED)
}

#[test]
fn a_file_with_an_incomplete_sector_is_copied_if_no_seal_is_asked_for() -> Result<()> {
    let (image, medium) = odd_file()?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").disk(&medium).boots()?;
    guest.is_sealed(SealChoice::Ram)?;
    guest.ends_measured(&image).map(drop)
}

/// A disk of whole sectors of 4096 bytes with the image at its start.
fn with_large_sectors(image: &Image) -> Result<Image> {
    image.on_disk_of(image.bytes()?.next_multiple_of(4096))
}

/// The image boots from sectors of 4096 bytes, with a tree over blocks of 4096 bytes.
fn boots_from_large_sectors(format: RootFs) -> Result<()> {
    let image = Image::small(format)?;
    let disk = with_large_sectors(&image)?;
    let mut guest = Vm::new("root=/dev/vda").disk_on(Bus::Virtio4096, &disk).boots()?;
    assert_eq!(guest.read("/sys/block/vda/queue/logical_block_size")?, "4096");
    ensure!(matches!(guest.status()?.seal, Seal::Verity { data_block: 4096, .. }), "{:?}", guest.status()?.seal);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_squashfs_boots_from_large_sectors() -> Result<()> {
    boots_from_large_sectors(RootFs::Squashfs)
}

#[test]
fn an_erofs_boots_from_large_sectors() -> Result<()> {
    boots_from_large_sectors(RootFs::Erofs)
}

#[test]
fn an_image_with_smaller_blocks_than_sectors_is_copied_if_no_seal_is_asked_for() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Ext4SmallBlocks, "")?;
    let disk = with_large_sectors(&image)?;
    let mut guest = Vm::new("root=/dev/vda").disk_on(Bus::Virtio4096, &disk).boots()?;
    guest.is_sealed(SealChoice::Ram)?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn an_image_with_smaller_blocks_than_sectors_can_have_no_tree() -> Result<()> {
    let disk = with_large_sectors(&Image::uncompressed(Uncompressed::Ext4SmallBlocks, "")?)?;
    let failed = Vm::new("root=/dev/vda").seal(SealChoice::Verity).disk_on(Bus::Virtio4096, &disk).fails()?;
    failed.at(Step::SealImage, "dm-verity")?;
    failed.because(&["1024", "4096"])
}

/// The loop device between the file and the disk has sectors of 512 bytes.
#[test]
fn a_file_with_smaller_blocks_than_the_disk_s_sectors_has_a_tree() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Ext4SmallBlocks, "")?;
    let medium = Image::holding(Medium::Ext4, &image)?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").disk_on(Bus::Virtio4096, &medium).boots()?;
    ensure!(matches!(guest.status()?.seal, Seal::Verity { data_block: 1024, .. }), "{:?}", guest.status()?.seal);
    guest.ends_measured(&image).map(drop)
}

/// An image as mksquashfs -nopad makes it.
fn unpadded() -> Result<Image> {
    let image = Image::uncompressed(Uncompressed::UnpaddedSquashfs, "any")?;
    ensure!(image.bytes()? % 4096 != 0, "the image has whole blocks");
    Ok(image)
}

#[test]
fn a_squashfs_without_padding_is_measured_in_every_partition_with_the_zeros_behind_it() -> Result<()> {
    let image = unpadded()?;
    let ids = ["6d656173-7572-4564-a26f-6f7420696d01", "6d656173-7572-4564-a26f-6f7420696d02"];
    let disk = Image::partitioned([(&image, ids[0]), (&image, ids[1])])?;
    let predicted = Prediction::with(image.path(), &["--device"])?;
    Vm::new("root=/dev/vda1").disk(&disk).boots()?.ends_as(&predicted).map(drop)
}

#[test]
fn a_squashfs_without_padding_in_front_of_other_bytes_is_refused() -> Result<()> {
    let image = unpadded()?;
    let bytes = image.bytes()?;
    let disk = image.on_disk_of(bytes.next_multiple_of(4096) + 4096)?.with_bytes(bytes, b"earlier")?;
    let failed = Vm::new("root=/dev/vda").disk(&disk).fails()?;
    failed.at(Step::FindImage, "/dev/vda")?;
    failed.because(&["behind its squashfs are not zeros", "truncate --size=%4096"])
}
