//! The seal of each form of image, and what the booted root sees of it.

use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{
    Bus, Guest, Image, Kernel, Medium, PackedInitramfs, Place, Result, RootFs, Seal, SealChoice, Step, Uncompressed,
    Vm, WrappedInitramfs, ensure, tool,
};

/// The path of the small squashfs on the media.
const FILE: &str = "/images/root.squashfs";

/// Checks that veritysetup makes a tree with the same root hash of the image.
fn is_of_veritysetup(image: &Image, seal: &Seal) -> Result<()> {
    let Seal::Verity { root_hash, salt, data_block, hash_block } = seal else {
        return Err(format!("{seal:?} is no tree").into());
    };
    let scratch = Scratch::new()?;
    let mut format = tool::limited(Duration::from_secs(60), "/usr/sbin/veritysetup");
    format.args(["format", "--no-superblock", "--hash=sha256", "--salt", salt]);
    format.args(["--data-block-size", &data_block.to_string(), "--hash-block-size", &hash_block.to_string()]);
    let said = tool::finish(format.arg(image.path()).arg(scratch.path("tree")))?;
    ensure!(
        said.lines().any(|line| line.starts_with("Root hash:") && line.ends_with(root_hash)),
        "{root_hash}: {said}"
    );
    Ok(())
}

/// The image boots with each seal, is found at `place`, and is measured the same.
fn boots_with_each_seal(vm: &Vm, image: &Image, place: &Place) -> Result<()> {
    for choice in SealChoice::ALL {
        let mut guest = vm.clone().seal(choice).boots()?;
        guest.is_sealed(choice)?;
        if choice == SealChoice::Verity {
            is_of_veritysetup(image, &guest.status()?.seal)?;
            assert_eq!(guest.read("/sys/block/dm-0/ro")?, "1");
        }
        guest.ends_measured_at(image, place)?;
    }
    Ok(())
}

/// The small image in this format is a whole device.
fn device_boots_with_each_seal(format: RootFs) -> Result<()> {
    let image = Image::small(format)?;
    boots_with_each_seal(&Vm::new("root=/dev/vda").disk(&image), &image, &Place::device("/dev/vda"))
}

/// The small squashfs is a file on a medium.
fn file_boots_with_each_seal(medium: Medium) -> Result<()> {
    let vm = Vm::new(&format!("root=/dev/vda rootimg={FILE}")).disk(&Image::medium(medium)?);
    boots_with_each_seal(&vm, &Image::small(RootFs::Squashfs)?, &Place::file_on("/dev/vda", FILE))
}

#[test]
fn a_squashfs_on_a_device_boots_with_each_seal() -> Result<()> {
    device_boots_with_each_seal(RootFs::Squashfs)
}

#[test]
fn an_erofs_on_a_device_boots_with_each_seal() -> Result<()> {
    device_boots_with_each_seal(RootFs::Erofs)
}

#[test]
fn an_ext4_on_a_device_boots_with_each_seal() -> Result<()> {
    device_boots_with_each_seal(RootFs::Ext4)
}

#[test]
fn an_image_whose_length_is_no_multiple_of_4096_boots_with_each_seal() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Ext4SmallBlocks, "")?;
    ensure!(image.bytes()? % 4096 == 1024, "the image has another length");
    boots_with_each_seal(&Vm::new("root=/dev/vda").disk(&image), &image, &Place::device("/dev/vda"))
}

/// An image whose last sector is incomplete. The disk has whole sectors. If they ended at a multiple of 4096, measureroot would
/// take the image for one that mksquashfs padded to that length.
fn odd() -> Result<Image> {
    for length in [1, 1000] {
        let image = Image::uncompressed(Uncompressed::UnpaddedSquashfs, &"x".repeat(length))?;
        let bytes = image.bytes()?;
        if !bytes.is_multiple_of(512) && !bytes.next_multiple_of(512).is_multiple_of(4096) {
            return Ok(image);
        }
    }
    Err("the images have whole sectors".into())
}

#[test]
fn an_image_with_an_incomplete_sector_is_copied_if_no_seal_is_asked_for() -> Result<()> {
    let image = odd()?;
    let mut guest = Vm::new("root=/dev/vda").disk(&image).boots()?;
    guest.is_sealed(SealChoice::Ram)?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn an_image_with_an_incomplete_sector_can_have_no_tree() -> Result<()> {
    let image = odd()?;
    let failed = Vm::new("root=/dev/vda").seal(SealChoice::Verity).disk(&image).fails()?;
    failed.at(Step::SealImage, "dm-verity")
}

#[test]
fn a_partition_larger_than_its_image_boots_with_each_seal() -> Result<()> {
    let vm = Vm::new("root=PARTLABEL=measured-root").disk(&Image::partitioned_medium()?);
    boots_with_each_seal(&vm, &Image::small(RootFs::Squashfs)?, &Place::device("/dev/vda2"))
}

/// Behind the end of the image the partition has other bytes. No mount option and no number in the file system leads to them.
#[test]
fn the_device_that_is_mounted_ends_where_the_measured_bytes_end() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let vm = Vm::new("root=PARTLABEL=measured-root").disk(&Image::partitioned_medium()?);
    for (seal, device) in [(SealChoice::None, "loop0"), (SealChoice::Ram, "loop0"), (SealChoice::Verity, "dm-0")] {
        let mut guest = vm.clone().seal(seal).boots()?;
        let sectors: u64 = guest.read(format!("/sys/block/{device}/size"))?.parse()?;
        ensure!(sectors * 512 == image.bytes()?, "{seal:?}: {device} has {sectors} sectors");
        assert_eq!(guest.read(format!("/sys/block/{device}/ro"))?, "1");
        guest.ends_measured(&image)?;
    }
    Ok(())
}

#[test]
fn a_file_on_vfat_boots_with_each_seal() -> Result<()> {
    file_boots_with_each_seal(Medium::Vfat)
}

#[test]
fn a_file_on_ext4_boots_with_each_seal() -> Result<()> {
    file_boots_with_each_seal(Medium::Ext4)
}

#[test]
fn a_file_on_squashfs_boots_with_each_seal() -> Result<()> {
    file_boots_with_each_seal(Medium::Squashfs)
}

#[test]
fn a_file_on_a_cd_rom_boots_with_each_seal() -> Result<()> {
    let vm = Vm::new(&format!("root=LABEL=MEDIUM_CD rootimg={FILE}"));
    let vm = vm.disk_on(Bus::CdRom, &Image::medium(Medium::Iso)?);
    boots_with_each_seal(&vm, &Image::small(RootFs::Squashfs)?, &Place::file_on("/dev/sr0", FILE))
}

#[test]
fn a_file_that_is_searched_for_boots_with_each_seal() -> Result<()> {
    let vm = Vm::new(&format!("rootimg={FILE}")).disk(&Image::medium(Medium::Vfat)?);
    boots_with_each_seal(&vm, &Image::small(RootFs::Squashfs)?, &Place::searched_on("/dev/vda", FILE))
}

/// The devices of the image, of the tree, and of dm-verity over both.
#[test]
fn not_even_root_can_write_to_the_devices_of_a_sealed_root() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new(&format!("rootimg={FILE}")).disk(&Image::medium(Medium::Vfat)?).boots()?;
    guest.is_sealed(SealChoice::Verity)?;
    for device in ["loop0", "loop1", "dm-0"] {
        ensure!(guest.read(format!("/sys/block/{device}/size"))? != "0", "{device} is not in use");
        let refused = guest.write(&format!("/dev/{device}"), "changed").err().ok_or("it was written")?.to_string();
        ensure!(refused.contains("(os error "), "{device}: {refused}");
    }
    guest.ends_measured(&image).map(drop)
}

/// The modules of a boot without dm-verity.
const NO_VERITY: [&str; 6] = ["virtio_pci", "virtio_blk", "virtio_console", "loop", "overlay", "squashfs"];

#[test]
fn without_dm_verity_a_boot_that_asks_for_it_fails() -> Result<()> {
    let initramfs = PackedInitramfs::with_modules(&NO_VERITY)?;
    let vm = Vm::new("root=/dev/vda").initramfs(initramfs.file()).disk(&Image::small(RootFs::Squashfs)?);
    vm.seal(SealChoice::Verity).fails()?.at(Step::SealImage, "dm-verity")
}

#[test]
fn without_dm_verity_the_image_is_copied_if_no_seal_is_asked_for() -> Result<()> {
    let (initramfs, image) = (PackedInitramfs::with_modules(&NO_VERITY)?, Image::small(RootFs::Squashfs)?);
    let mut guest = Vm::new("root=/dev/vda").initramfs(initramfs.file()).disk(&image).boots()?;
    guest.is_sealed(SealChoice::Ram)?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_copy_that_does_not_fit_in_memory_fails_the_boot() -> Result<()> {
    let bytes = 1 << 30;
    let image = Image::small(RootFs::Squashfs)?.enlarged(bytes)?;
    let failed = Vm::new("root=/dev/vda").seal(SealChoice::Ram).disk(&image).fails()?;
    failed.at(Step::SealImage, "measureroot.seal=ram")?;
    let numbers = failed.failure.cause.split(|char: char| !char.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = numbers.collect();
    let [needed, there] = numbers[..] else { return Err(format!("not two numbers: {:?}", failed.failure).into()) };
    ensure!(needed >= bytes && there > 0 && there < 512 << 20, "{:?}", failed.failure);
    Ok(())
}

/// `toram` is the other name of `ram`.
#[test]
fn a_copy_works_after_its_medium_is_gone() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Squashfs, "not read before the medium is gone")?;
    let mut machine = Vm::new("root=/dev/vda measureroot.seal=toram").start()?;
    machine.reaches(Step::WaitForDevices)?;
    machine.plug(&image)?;
    let mut guest = machine.booted()?;
    guest.pull()?;
    ensure!(!guest.list("/sys/block")?.contains(&"vda".to_owned()), "the disk is still there");
    assert_eq!(guest.read("/secret")?, "not read before the medium is gone");
    guest.ends_measured(&image).map(drop)
}

/// Gives a file to every loop device of the kernel.
const TAKE_LOOPS: [&str; 4] = [
    "mount -t devtmpfs dev /dev",
    "insmod /lib/modules/*/kernel/drivers/block/loop.ko",
    "echo taken >/taken",
    "find /dev -name 'loop[0-9]*' -exec /busybox losetup {} /taken \\;",
];

/// The number of loop devices that belong to measureroot. All others must have been taken before it started.
fn new_loops(guest: &mut Guest) -> Result<usize> {
    let loops: Vec<_> = guest.list("/sys/block")?.into_iter().filter(|name| name.starts_with("loop")).collect();
    let mut taken = 0;
    for name in &loops {
        let file = guest.read(format!("/sys/block/{name}/loop/backing_file"))?;
        taken += usize::from(file.starts_with("/taken"));
    }
    ensure!(taken > 0, "no loop device was taken: {loops:?}");
    Ok(loops.len() - taken)
}

/// The image boots from a file on a medium although all loop devices are taken. measureroot makes this number of new ones.
fn boots_with_taken_loops(seal: SealChoice, wanted: usize) -> Result<()> {
    let initramfs = WrappedInitramfs::new(Kernel::V6_1, &TAKE_LOOPS)?;
    let (medium, image) = (Image::medium(Medium::Ext4)?, Image::small(RootFs::Squashfs)?);
    let vm = Vm::new(&format!("root=/dev/vda rootimg={FILE}")).wrapped(&initramfs).seal(seal).disk(&medium);
    let mut guest = vm.boots()?;
    assert_eq!(new_loops(&mut guest)?, wanted);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn an_image_gets_a_tree_although_all_loop_devices_are_taken() -> Result<()> {
    boots_with_taken_loops(SealChoice::Verity, 2)
}

#[test]
fn an_image_gets_a_copy_although_all_loop_devices_are_taken() -> Result<()> {
    boots_with_taken_loops(SealChoice::Ram, 1)
}
