//! Images of a size nobody expects: none, a byte, not one for a loop device, other sectors, another one when it was hashed.

use test_vm::{Bus, Failed, Image, Prediction, Result, Seal, Vm, ensure};

/// The boot failed at an image that was found, and is none.
fn is_no_image(failed: &Failed, object: &str) -> Result<()> {
    failed.at("find the image", object)?;
    ensure!(failed.failure.cause.contains("no file system is known on it"), "{:?}", failed.failure);
    Ok(())
}

/// A boot that must fail, from a file on the medium.
fn fails_on_medium(format: &str, file: &str) -> Result<()> {
    let vm = Vm::new("root=/dev/vda").with(&format!("rootimg=/images/{file}")).disk(&Image::medium(format)?);
    is_no_image(&vm.fails()?, &format!("/images/{file} on /dev/vda"))
}

#[test]
fn a_file_of_no_bytes_on_vfat() -> Result<()> {
    fails_on_medium("vfat", "empty")
}

#[test]
fn a_file_of_no_bytes_on_ext4() -> Result<()> {
    fails_on_medium("ext4", "empty")
}

#[test]
fn a_file_of_one_byte_on_vfat() -> Result<()> {
    fails_on_medium("vfat", "byte")
}

#[test]
fn a_file_of_one_byte_on_ext4() -> Result<()> {
    fails_on_medium("ext4", "byte")
}

#[test]
fn a_file_of_no_bytes_that_is_searched() -> Result<()> {
    let vm = Vm::new("rootimg=/images/empty measureroot.timeout=2").disk(&Image::medium("vfat")?);
    is_no_image(&vm.fails()?, "/images/empty")
}

#[test]
fn a_disk_of_no_bytes() -> Result<()> {
    let empty = Image::small("squashfs")?.cut(0)?;
    let vm = Vm::new("root=/dev/vda measureroot.timeout=2").disk(&empty);
    let failed = vm.fails()?;
    failed.at("wait for devices", "/dev/vda")?;
    ensure!(failed.failure.cause.contains("vda (empty)"), "{:?}", failed.failure);
    Ok(())
}

/// A disk has whole sectors: QEMU serves the byte with 511 zeros behind it.
#[test]
fn a_disk_of_one_byte_and_the_rest_of_its_sector() -> Result<()> {
    let byte = Image::small("squashfs")?.cut(1)?;
    is_no_image(&Vm::new("root=/dev/vda").disk(&byte).fails()?, "/dev/vda")
}

#[test]
fn a_disk_of_no_bytes_beside_the_medium_that_is_searched() -> Result<()> {
    let (image, medium) = (Image::small("squashfs")?, Image::medium("vfat")?);
    let empty = image.cut(0)?;
    let mut guest = Vm::new("rootimg=/images/root.squashfs").disk(&empty).disk(&medium).boots()?;
    guest.measured_at(&image, ("searched", "/dev/vdb", Some("/images/root.squashfs")))?;
    guest.ends_measured(&image).map(drop)
}

/// Boots from a slow disk that has another size when it has been hashed: `disk` bytes at first, `resized` in the end. The
/// image has 64 MiB, which takes the disk four seconds.
fn resized(disk: u64, resized: u64) -> Result<Failed> {
    let image = Image::small("squashfs")?.larger(64 << 20)?.on_disk_of(disk)?;
    let mut machine = Vm::new("root=/dev/vda").start()?;
    machine.says("measureroot: wait for devices")?;
    machine.plug_slow(&image)?;
    machine.says("measureroot: hash the image")?;
    machine.resize(resized)?;
    let failed = machine.failed()?;
    failed.at("hash the image", "/dev/vda")?;
    Ok(failed)
}

#[test]
fn a_disk_that_shrinks_into_the_image_while_it_is_hashed() -> Result<()> {
    resized(64 << 20, 32 << 20).map(drop)
}

#[test]
fn a_disk_that_shrinks_behind_the_image_while_it_is_hashed() -> Result<()> {
    let failed = resized(96 << 20, 80 << 20)?;
    ensure!(failed.failure.cause.contains("100663296"), "{:?}", failed.failure);
    ensure!(failed.failure.cause.contains("83886080"), "{:?}", failed.failure);
    Ok(())
}

#[test]
fn a_disk_that_grows_while_it_is_hashed() -> Result<()> {
    let failed = resized(64 << 20, 128 << 20)?;
    ensure!(failed.failure.cause.contains("67108864"), "{:?}", failed.failure);
    ensure!(failed.failure.cause.contains("134217728"), "{:?}", failed.failure);
    Ok(())
}

/// An image whose last sector is not whole, and a medium that holds it.
fn odd_file() -> Result<(Image, Image)> {
    let image = Image::plain("squashfs of any length", "any")?;
    ensure!(std::fs::metadata(image.path())?.len() % 512 != 0, "the image has whole sectors");
    let medium = Image::holding("ext4", &image)?;
    Ok((image, medium))
}

#[test]
fn a_file_of_no_whole_sectors_is_not_mounted_without_a_seal() -> Result<()> {
    let (image, medium) = odd_file()?;
    let failed = Vm::new("root=/dev/vda rootimg=/image measureroot.seal=none").disk(&medium).fails()?;
    failed.at_step("mount the image", "/image on /dev/vda")?;
    ensure!(failed.failure.cause.contains("measureroot.seal=ram"), "{:?}", failed.failure);
    let measured = Prediction::of(image.path())?.after();
    failed.ended.holds(13, Some(&measured), "measureroot: failed")
}

#[test]
fn a_file_of_no_whole_sectors_is_copied_where_nothing_was_asked_for() -> Result<()> {
    let (image, medium) = odd_file()?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").disk(&medium).boots()?;
    assert_eq!(guest.status()?.seal, Seal::Ram);
    guest.ends_measured(&image).map(drop)
}

/// A disk of whole sectors of 4096 bytes with the image at its front.
fn of_large_sectors(image: &Image) -> Result<Image> {
    image.on_disk_of(std::fs::metadata(image.path())?.len().next_multiple_of(4096))
}

/// The image boots from sectors of 4096 bytes, with a tree over such blocks.
fn boots_from_large_sectors(format: &str) -> Result<()> {
    let image = Image::small(format)?;
    let disk = of_large_sectors(&image)?;
    let mut guest = Vm::new("root=/dev/vda").disk_on(Bus::Virtio4096, &disk).boots()?;
    assert_eq!(guest.read("/sys/block/vda/queue/logical_block_size")?, "4096");
    ensure!(matches!(guest.status()?.seal, Seal::Verity { data_block: 4096, .. }), "{:?}", guest.status()?.seal);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_squashfs_on_large_sectors() -> Result<()> {
    boots_from_large_sectors("squashfs")
}

#[test]
fn an_erofs_on_large_sectors() -> Result<()> {
    boots_from_large_sectors("erofs")
}

#[test]
fn smaller_blocks_than_sectors_are_copied_where_nothing_was_asked_for() -> Result<()> {
    let image = Image::plain("ext4 of 1024-byte blocks", "")?;
    let disk = of_large_sectors(&image)?;
    let mut guest = Vm::new("root=/dev/vda").disk_on(Bus::Virtio4096, &disk).boots()?;
    assert_eq!(guest.status()?.seal, Seal::Ram);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn smaller_blocks_than_sectors_have_no_tree() -> Result<()> {
    let disk = of_large_sectors(&Image::plain("ext4 of 1024-byte blocks", "")?)?;
    let failed = Vm::new("root=/dev/vda measureroot.seal=verity").disk_on(Bus::Virtio4096, &disk).fails()?;
    failed.at("seal the image", "dm-verity")?;
    ensure!(["1024", "4096"].iter().all(|number| failed.failure.cause.contains(number)), "{:?}", failed.failure);
    Ok(())
}

/// The loop device between them has sectors of 512 bytes.
#[test]
fn a_file_of_smaller_blocks_than_the_sectors_below_it() -> Result<()> {
    let image = Image::plain("ext4 of 1024-byte blocks", "")?;
    let medium = Image::holding("ext4", &image)?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").disk_on(Bus::Virtio4096, &medium).boots()?;
    ensure!(matches!(guest.status()?.seal, Seal::Verity { data_block: 1024, .. }), "{:?}", guest.status()?.seal);
    guest.ends_measured(&image).map(drop)
}
