//! Images that veritysetup prepared: measured by their root hash, and read only through dm-verity.

use test_vm::{Bus, Image, Prediction, PreparedImage, Result, Seal, Vm, ensure};

/// What the image says in its file /secret.
const SECRET: &str = "the bytes that the root hash stands for";

/// A root image with the secret, and much else around it.
fn image(format: &str) -> Result<Image> {
    Image::plain(format, &secret())
}

fn secret() -> String {
    let filler = "0123456789abcde\n".repeat(4096);
    format!("{filler}{SECRET}\n{filler}")
}

/// A machine with the data as /dev/vda and the tree as /dev/vdb, where it is apart.
fn machine(prepared: &PreparedImage) -> Vm {
    let vm = Vm::new("root=/dev/vda").with(&format!("roothash={}", prepared.root_hash)).disk(&prepared.image);
    match &prepared.tree {
        Some(tree) => vm.with("measureroot.hashdev=/dev/vdb").disk(tree),
        None => vm.with(&format!("measureroot.hashoffset={}", prepared.offset)),
    }
}

/// The image boots, its PCR is the one predicted, and every byte comes through dm-verity.
fn boots(vm: &Vm, prepared: &PreparedImage, place: (&str, &str, Option<&str>)) -> Result<()> {
    let mut guest = vm.boots()?;
    ensure!(guest.read("/secret")? == secret().trim_end(), "the image has another secret");
    let status = guest.status()?;
    let found = (status.image.form.as_str(), status.image.device.as_str(), status.image.path.as_deref());
    ensure!(found == place, "measured {found:?}, not {place:?}");
    let Seal::Roothash { root_hash, data_blocks, data_block, .. } = status.seal else {
        return Err(format!("sealed by {:?}", status.seal).into());
    };
    ensure!(root_hash == prepared.root_hash, "held to {root_hash}");
    assert_eq!(status.image.bytes, data_blocks * u64::from(data_block));
    assert_eq!(guest.read("/sys/block/dm-0/ro")?, "1");
    guest.ends_as(&prepared.predicted()?).map(drop)
}

fn boots_apart(format: &str, options: &[&str]) -> Result<()> {
    let prepared = PreparedImage::apart(&image(format)?, options)?;
    boots(&machine(&prepared), &prepared, ("device", "/dev/vda", None))
}

#[test]
fn a_squashfs_and_its_tree_on_two_disks() -> Result<()> {
    boots_apart("squashfs", &[])
}

#[test]
fn an_erofs_and_its_tree_of_other_blocks() -> Result<()> {
    boots_apart("erofs", &["--hash-block-size=1024", "--salt=00ff"])
}

#[test]
fn an_ext4_of_small_blocks() -> Result<()> {
    boots_apart("ext4 of 1024-byte blocks", &["--data-block-size=1024", "--salt=-"])
}

#[test]
fn a_tree_behind_the_image_on_the_same_disk() -> Result<()> {
    let prepared = PreparedImage::behind(&image("ext4")?)?;
    boots(&machine(&prepared), &prepared, ("device", "/dev/vda", None))
}

#[test]
fn a_file_with_its_tree_behind_it() -> Result<()> {
    let prepared = PreparedImage::behind(&image("squashfs")?)?;
    let medium = Image::holding("ext4", &prepared.image)?;
    let vm = machine(&prepared).with("rootimg=/image").without_disks().disk(&medium);
    boots(&vm, &prepared, ("file", "/dev/vda", Some("/image")))
}

#[test]
fn a_file_that_is_searched_and_its_tree_on_another_disk() -> Result<()> {
    let prepared = PreparedImage::apart(&image("squashfs")?, &[])?;
    let tree = prepared.tree.as_ref().ok_or("no tree")?;
    let vm = Vm::new("rootimg=/image measureroot.hashdev=/dev/vda").with(&format!("roothash={}", prepared.root_hash));
    let medium = Image::holding("vfat", &prepared.image)?;
    boots(&vm.disk(tree).disk(&medium), &prepared, ("searched", "/dev/vdb", Some("/image")))
}

#[test]
fn two_partitions_by_the_words_of_systemd() -> Result<()> {
    let prepared = PreparedImage::apart(&image("squashfs")?, &[])?;
    let tree = prepared.tree.as_ref().ok_or("no tree")?;
    let vm = Vm::new("systemd.verity_root_data=/dev/vda systemd.verity_root_hash=/dev/vdb root=/dev/mapper/root");
    let vm = vm.with(&format!("roothash={}", prepared.root_hash)).disk(&prepared.image).disk(tree);
    boots(&vm, &prepared, ("device", "/dev/vda", None))
}

#[test]
fn two_partitions_that_the_root_hash_itself_names() -> Result<()> {
    let prepared = PreparedImage::apart(&image("erofs")?, &[])?;
    let tree = prepared.tree.as_ref().ok_or("no tree")?;
    let half = |from: usize| {
        let text = &prepared.root_hash[from..from + 32];
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    };
    let disk = Image::partitioned([(&prepared.image, &half(0)), (tree, &half(32))])?;
    let vm = Vm::new(&format!("roothash={}", prepared.root_hash)).disk(&disk);
    boots(&vm, &prepared, ("device", "/dev/vda1", None))
}

#[test]
fn a_root_hash_that_is_wrong_by_one_digit() -> Result<()> {
    let prepared = PreparedImage::apart(&image("squashfs")?, &[])?;
    let wrong = PreparedImage { root_hash: prepared.wrong_by_one_digit(), ..prepared };
    let failed = machine(&wrong).fails()?;
    failed.at_step("mount the image", "/dev/dm-0")?;
    ensure!(failed.failure.cause.contains("roothash="), "{:?}", failed.failure);
    // What was demanded was measured before, and the failure behind it.
    let demanded = Prediction::by(&["--roothash", &wrong.root_hash])?.after();
    failed.ended.holds(13, Some(&demanded), "measureroot: failed")
}

#[test]
fn a_tree_that_is_cut_short() -> Result<()> {
    let prepared = PreparedImage::apart(&image("ext4")?, &[])?;
    let tree = prepared.tree.as_ref().ok_or("no tree")?;
    let cut = tree.cut(std::fs::metadata(tree.path())?.len() - 4096)?;
    let failed = machine(&PreparedImage { tree: Some(cut), ..prepared }).fails()?;
    failed.at("seal the image", "/dev/vdb")?;
    ensure!(failed.failure.cause.contains("cut short"), "{:?}", failed.failure);
    Ok(())
}

#[test]
fn an_image_that_is_cut_short() -> Result<()> {
    let prepared = PreparedImage::apart(&image("ext4")?, &[])?;
    let cut = prepared.image.cut(8 << 20)?;
    machine(&PreparedImage { image: cut, ..prepared }).fails()?.at("seal the image", "/dev/vdb")
}

#[test]
fn no_tree_where_one_was_named() -> Result<()> {
    let prepared = PreparedImage::apart(&image("squashfs")?, &[])?;
    let other = image("squashfs")?;
    machine(&PreparedImage { tree: Some(other), ..prepared }).fails()?.at("seal the image", "/dev/vdb")
}

/// Whoever holds the medium says that the image ends earlier: the tree and the root hash are the same.
#[test]
fn a_superblock_that_cuts_the_image_short() -> Result<()> {
    const DATA_BLOCKS: u64 = 72;
    let prepared = PreparedImage::apart(&image("ext4")?, &[])?;
    let tree = prepared.tree.as_ref().ok_or("no tree")?;
    let forged = tree.with_bytes(DATA_BLOCKS, &3000u64.to_le_bytes())?;
    let failed = machine(&PreparedImage { tree: Some(forged), ..prepared }).fails()?;
    failed.at_step("mount the image", "/dev/dm-0")
}

/// The image with one bit of the secret changed.
fn changed() -> Result<PreparedImage> {
    let prepared = PreparedImage::apart(&image("erofs")?, &[])?;
    let image = prepared.image.flipped(prepared.image.find(SECRET)?)?;
    Ok(PreparedImage { image, ..prepared })
}

#[test]
fn a_changed_block_fails_when_it_is_read() -> Result<()> {
    let prepared = changed()?;
    let mut guest = machine(&prepared).boots()?;
    let refused = guest.read("/secret").err().ok_or("the change was believed")?.to_string();
    ensure!(refused.contains("(os error 5)"), "not EIO but {refused}");
    guest.ends_as(&Prediction::by(&["--roothash", &prepared.root_hash])?).map(drop)
}

#[test]
fn a_changed_block_panics_the_machine_that_asks_for_it() -> Result<()> {
    let ended = machine(&changed()?).with("measureroot.oncorrupt=panic").boots()?.ends_reading("/secret")?;
    assert_eq!(ended.reason(), "guest-reset");
    Ok(())
}

#[test]
fn an_image_on_large_sectors() -> Result<()> {
    let prepared = PreparedImage::apart(&image("ext4")?, &[])?;
    let vm = machine(&prepared).without_disks().disk_on(Bus::Virtio4096, &prepared.image);
    let vm = vm.disk_on(Bus::Virtio4096, prepared.tree.as_ref().ok_or("no tree")?);
    boots(&vm, &prepared, ("device", "/dev/vda", None))
}

#[test]
fn blocks_smaller_than_the_sectors() -> Result<()> {
    let prepared = PreparedImage::apart(&image("ext4 of 1024-byte blocks")?, &["--data-block-size=1024"])?;
    let vm = machine(&prepared).without_disks().disk_on(Bus::Virtio4096, &prepared.image);
    vm.disk(prepared.tree.as_ref().ok_or("no tree")?).fails()?.at("seal the image", "/dev/vda")
}

/// Of a large image no more is read than the booted root asks for.
#[test]
fn the_image_is_not_read_to_be_measured() -> Result<()> {
    let prepared = PreparedImage::apart(&image("ext4 of 1 GiB")?, &[])?;
    let mut guest = machine(&prepared).boots()?;
    let read = guest.bytes_read(0)?;
    ensure!(read > 0 && read < 32 << 20, "{read} bytes were read");
    guest.ends_as(&Prediction::by(&["--roothash", &prepared.root_hash])?).map(drop)
}
