//! Images that veritysetup prepared: their root hash is measured, and they are read only through dm-verity. `measureroot doctor` says that the
//! mounted root is the measured one.

use test_vm::doctor::{self, Findings};
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{
    Bus, Guest, Image, Medium, Place, Prediction, PreparedImage, Result, Seal, Step, Uncompressed, Vm, ensure, image,
};

/// A text in the image's file /secret.
const SECRET: &str = "the bytes that the root hash stands for";

/// A root image with the secret in the middle of a large file.
fn image(format: Uncompressed) -> Result<Image> {
    Image::uncompressed(format, &secret())
}

fn secret() -> String {
    image::between_fillers(SECRET, 4096)
}

/// A machine with the image as /dev/vda. The tree is behind the image, or it is /dev/vdb.
fn machine(prepared: &PreparedImage) -> Vm {
    let vm = Vm::new("root=/dev/vda").with(&prepared.parameter()).disk(&prepared.image);
    match &prepared.tree {
        Some(tree) => vm.with("measureroot.hashdev=/dev/vdb").disk(tree),
        None => vm.with(&format!("measureroot.hashoffset={}", prepared.offset)),
    }
}

/// The image boots, is found at `place`, is read through dm-verity, and leads to the predicted PCR.
fn boots(vm: &Vm, prepared: &PreparedImage, place: &Place) -> Result<()> {
    let mut guest = vm.boots()?;
    ensure!(guest.read("/secret")? == secret().trim_end(), "the image has another secret");
    is_prepared(&mut guest, prepared, place)?;
    guest.ends_as(&prepared.predicted()?).map(drop)
}

/// The image was found at `place`, and is read through dm-verity.
fn is_prepared(guest: &mut Guest, prepared: &PreparedImage, place: &Place) -> Result<()> {
    guest.found_at(place)?;
    let status = guest.status()?;
    let Seal::Roothash { root_hash, data_blocks, data_block, .. } = status.seal else {
        return Err(format!("the seal is {:?}", status.seal).into());
    };
    ensure!(root_hash == prepared.root_hash, "dm-verity has the root hash {root_hash}");
    assert_eq!(status.image.bytes, data_blocks * u64::from(data_block));
    assert_eq!(guest.read("/sys/block/dm-0/ro")?, "1");
    Ok(())
}

/// The image is /dev/vda and its tree is /dev/vdb.
fn boots_apart(format: Uncompressed, options: &[&str]) -> Result<()> {
    let prepared = PreparedImage::apart(&image(format)?, options)?;
    boots(&machine(&prepared), &prepared, &Place::device("/dev/vda"))
}

#[test]
fn a_squashfs_boots_with_its_tree_on_another_disk() -> Result<()> {
    boots_apart(Uncompressed::Squashfs, &[])
}

#[test]
fn an_erofs_boots_with_a_tree_of_other_blocks() -> Result<()> {
    boots_apart(Uncompressed::Erofs, &["--hash-block-size=1024", "--salt=00ff"])
}

#[test]
fn an_ext4_of_small_blocks_boots() -> Result<()> {
    boots_apart(Uncompressed::Ext4SmallBlocks, &["--data-block-size=1024", "--salt=-"])
}

#[test]
fn an_image_boots_with_its_tree_behind_it_on_the_same_disk() -> Result<()> {
    let prepared = PreparedImage::behind(&image(Uncompressed::Ext4)?)?;
    boots(&machine(&prepared), &prepared, &Place::device("/dev/vda"))
}

#[test]
fn a_file_boots_with_its_tree_behind_it() -> Result<()> {
    let prepared = PreparedImage::behind(&image(Uncompressed::Squashfs)?)?;
    let medium = Image::holding(Medium::Ext4, &prepared.image)?;
    let vm = machine(&prepared).with("rootimg=/image").without_disks().disk(&medium);
    boots(&vm, &prepared, &Place::file_on("/dev/vda", "/image"))
}

#[test]
fn a_file_that_is_searched_for_boots_with_its_tree_on_another_disk() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Squashfs)?, &[])?;
    let tree = prepared.separate_tree()?;
    let vm = Vm::new("rootimg=/image measureroot.hashdev=/dev/vda").with(&prepared.parameter());
    let medium = Image::holding(Medium::Vfat, &prepared.image)?;
    boots(&vm.disk(tree).disk(&medium), &prepared, &Place::searched_on("/dev/vdb", "/image"))
}

#[test]
fn systemd_s_parameters_name_image_and_tree() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Squashfs)?, &[])?;
    let tree = prepared.separate_tree()?;
    let vm = Vm::new("systemd.verity_root_data=/dev/vda systemd.verity_root_hash=/dev/vdb root=/dev/mapper/root");
    let vm = vm.with(&prepared.parameter()).disk(&prepared.image).disk(tree);
    boots(&vm, &prepared, &Place::device("/dev/vda"))
}

#[test]
fn the_root_hash_names_the_partitions_of_image_and_tree() -> Result<()> {
    let prepared = PreparedImage::apart(&doctor::image()?, &[])?;
    let disk = prepared.on_partitions()?;
    let mut guest = Vm::new(&prepared.parameter()).disk(&disk).boots()?;
    is_prepared(&mut guest, &prepared, &Place::device("/dev/vda1"))?;
    doctor::mount(&mut guest)?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&["agent-not-measured"])?;
    found.say("boot-agrees", "/dev/vda1")?;
    doctor::shell(&mut guest, "mount -t tmpfs tmpfs /")?;
    let found = Findings::of(&mut guest)?;
    found.worse_are(&["agent-not-measured", "boot-root-differs"])?;
    found.say("boot-root-differs", "/ is tmpfs")?;
    guest.ends_as(&prepared.predicted()?).map(drop)
}

#[test]
fn a_root_hash_with_one_wrong_digit_fails_the_boot() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Squashfs)?, &[])?;
    let wrong = PreparedImage { root_hash: prepared.wrong_by_one_digit(), ..prepared };
    let failed = machine(&wrong).fails()?;
    failed.at_step(Step::MountImage, "/dev/dm-0")?;
    failed.because(&["roothash="])?;
    // The root hash was measured before the boot failed.
    let demanded = Prediction::of_root_hash(&wrong.root_hash)?.after();
    failed.vm.holds(DEFAULT_PCR, Some(&demanded), FAILED)
}

#[test]
fn a_truncated_tree_fails_the_boot() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4)?, &[])?;
    let tree = prepared.separate_tree()?;
    let cut = tree.cut(tree.bytes()? - 4096)?;
    let failed = machine(&PreparedImage { tree: Some(cut), ..prepared }).fails()?;
    failed.at(Step::SealImage, "/dev/vdb")?;
    failed.because(&["cut short"])
}

#[test]
fn a_truncated_image_fails_the_boot() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4)?, &[])?;
    let cut = prepared.image.cut(8 << 20)?;
    machine(&PreparedImage { image: cut, ..prepared }).fails()?.at(Step::SealImage, "/dev/vdb")
}

#[test]
fn a_device_without_a_tree_fails_the_boot() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Squashfs)?, &[])?;
    let other = image(Uncompressed::Squashfs)?;
    machine(&PreparedImage { tree: Some(other), ..prepared }).fails()?.at(Step::SealImage, "/dev/vdb")
}

/// An attacker who controls the medium makes the image end earlier. The tree and the root hash stay the same.
#[test]
fn a_superblock_that_gives_the_image_fewer_blocks_fails_the_boot() -> Result<()> {
    const DATA_BLOCKS: u64 = 72;
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4)?, &[])?;
    let tree = prepared.separate_tree()?;
    let forged = tree.with_bytes(DATA_BLOCKS, &3000u64.to_le_bytes())?;
    let failed = machine(&PreparedImage { tree: Some(forged), ..prepared }).fails()?;
    failed.at_step(Step::MountImage, "/dev/dm-0")
}

/// The image with one bit of the secret changed.
fn changed() -> Result<PreparedImage> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Erofs)?, &[])?;
    let image = prepared.image.flipped(prepared.image.find(SECRET)?)?;
    Ok(PreparedImage { image, ..prepared })
}

#[test]
fn a_read_of_a_changed_block_fails() -> Result<()> {
    let prepared = changed()?;
    let mut guest = machine(&prepared).boots()?;
    guest.cannot_read("/secret")?;
    guest.ends_as(&Prediction::of_root_hash(&prepared.root_hash)?).map(drop)
}

#[test]
fn a_changed_block_panics_the_kernel_if_oncorrupt_asks_for_it() -> Result<()> {
    let vm = machine(&changed()?).with("measureroot.oncorrupt=panic").boots()?.ends_reading("/secret")?;
    assert_eq!(vm.reason(), "guest-reset");
    Ok(())
}

#[test]
fn an_image_boots_from_large_sectors() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4)?, &[])?;
    let vm = machine(&prepared).without_disks().disk_on(Bus::Virtio4096, &prepared.image);
    let vm = vm.disk_on(Bus::Virtio4096, prepared.separate_tree()?);
    boots(&vm, &prepared, &Place::device("/dev/vda"))
}

#[test]
fn blocks_smaller_than_the_sectors_fail_the_boot() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4SmallBlocks)?, &["--data-block-size=1024"])?;
    let vm = machine(&prepared).without_disks().disk_on(Bus::Virtio4096, &prepared.image);
    vm.disk(prepared.separate_tree()?).fails()?.at(Step::SealImage, "/dev/vda")
}

/// The boot reads only the blocks that the booted root asks for.
#[test]
fn a_large_image_is_not_read_to_be_measured() -> Result<()> {
    let prepared = PreparedImage::apart(&image(Uncompressed::Ext4Large)?, &[])?;
    let mut guest = machine(&prepared).boots()?;
    let read = guest.bytes_read(0)?;
    ensure!(read > 0 && read < 32 << 20, "{read} bytes were read");
    guest.ends_as(&Prediction::of_root_hash(&prepared.root_hash)?).map(drop)
}
