//! Which seal an image gets, whatever form it has, and what the booted root sees of it.

use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Image, Kernel, Result, Seal, Vm, WrappedInitramfs, assets, ensure, tool};

/// The tree that veritysetup makes of the image has this root hash.
fn is_of_veritysetup(image: &Image, seal: &Seal) -> Result<()> {
    let Seal::Verity { root_hash, salt, data_block, hash_block } = seal else {
        return Err(format!("{seal:?} is no tree").into());
    };
    let scratch = Scratch::new()?;
    let mut format = tool::limited(Duration::from_mins(1), "/usr/sbin/veritysetup");
    format.args(["format", "--no-superblock", "--hash=sha256", "--salt", salt]);
    format.args(["--data-block-size", &data_block.to_string(), "--hash-block-size", &hash_block.to_string()]);
    let said = tool::finish(format.arg(image.path()).arg(scratch.path("tree")))?;
    ensure!(
        said.lines().any(|line| line.starts_with("Root hash:") && line.ends_with(root_hash)),
        "{root_hash}: {said}"
    );
    Ok(())
}

/// The image boots with each seal, is where `place` says, and is measured the same.
fn boots_with_each(vm: &Vm, image: &Image, place: (&str, &str, Option<&str>)) -> Result<()> {
    for seal in ["verity", "ram", "none"] {
        let mut guest = vm.clone().with(&format!("measureroot.seal={seal}")).boots()?;
        guest.measured_at(image, place)?;
        match (seal, guest.status()?.seal) {
            ("verity", made) => {
                is_of_veritysetup(image, &made)?;
                assert_eq!(guest.read("/sys/block/dm-0/ro")?, "1");
            }
            ("ram", Seal::Ram) | ("none", Seal::None) => {}
            (_, made) => return Err(format!("{made:?} instead of {seal}").into()),
        }
        guest.ends_measured(image)?;
    }
    Ok(())
}

/// The same for an image that is a whole device.
fn device_boots_with_each(format: &str) -> Result<()> {
    let image = Image::small(format)?;
    boots_with_each(&Vm::new("root=/dev/vda").disk(&image), &image, ("device", "/dev/vda", None))
}

/// The same for the small squashfs as a file on a medium.
fn file_boots_with_each(format: &str) -> Result<()> {
    let vm = Vm::new("root=/dev/vda rootimg=/images/root.squashfs").disk(&Image::medium(format)?);
    boots_with_each(&vm, &Image::small("squashfs")?, ("file", "/dev/vda", Some("/images/root.squashfs")))
}

#[test]
fn a_device_that_is_squashfs() -> Result<()> {
    device_boots_with_each("squashfs")
}

#[test]
fn a_device_that_is_erofs() -> Result<()> {
    device_boots_with_each("erofs")
}

#[test]
fn a_device_that_is_ext4() -> Result<()> {
    device_boots_with_each("ext4")
}

#[test]
fn a_length_that_is_no_multiple_of_4096() -> Result<()> {
    let image = Image::plain("ext4 of 1024-byte blocks", "")?;
    ensure!(std::fs::metadata(image.path())?.len() % 4096 == 1024, "the image has another length");
    boots_with_each(&Vm::new("root=/dev/vda").disk(&image), &image, ("device", "/dev/vda", None))
}

/// An image whose last sector is not whole. A disk has whole ones: where they end at a multiple of 4096, the image would be
/// taken for one that mksquashfs filled up to there.
fn odd() -> Result<Image> {
    for length in [1, 1000] {
        let image = Image::plain("squashfs of any length", &"x".repeat(length))?;
        let bytes = std::fs::metadata(image.path())?.len();
        if !bytes.is_multiple_of(512) && !bytes.next_multiple_of(512).is_multiple_of(4096) {
            return Ok(image);
        }
    }
    Err("the images have whole sectors".into())
}

#[test]
fn a_length_of_no_whole_sectors_is_copied_where_nothing_was_asked_for() -> Result<()> {
    let image = odd()?;
    let mut guest = Vm::new("root=/dev/vda").disk(&image).boots()?;
    assert_eq!(guest.status()?.seal, Seal::Ram);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_length_of_no_whole_sectors_has_no_tree() -> Result<()> {
    let image = odd()?;
    Vm::new("root=/dev/vda measureroot.seal=verity").disk(&image).fails()?.at("seal the image", "dm-verity")
}

#[test]
fn a_partition_larger_than_its_image() -> Result<()> {
    let vm = Vm::new("root=PARTLABEL=measured-root").disk(&Image::medium("gpt")?);
    boots_with_each(&vm, &Image::small("squashfs")?, ("device", "/dev/vda2", None))
}

#[test]
fn a_file_on_vfat() -> Result<()> {
    file_boots_with_each("vfat")
}

#[test]
fn a_file_on_ext4() -> Result<()> {
    file_boots_with_each("ext4")
}

#[test]
fn a_file_on_squashfs() -> Result<()> {
    file_boots_with_each("squashfs")
}

#[test]
fn a_file_on_a_cd_rom() -> Result<()> {
    let vm = Vm::new("root=LABEL=MEDIUM_CD rootimg=/images/root.squashfs").disk_on(Bus::CdRom, &Image::medium("iso")?);
    boots_with_each(&vm, &Image::small("squashfs")?, ("file", "/dev/sr0", Some("/images/root.squashfs")))
}

#[test]
fn a_file_that_is_searched() -> Result<()> {
    let vm = Vm::new("rootimg=/images/root.squashfs").disk(&Image::medium("vfat")?);
    boots_with_each(&vm, &Image::small("squashfs")?, ("searched", "/dev/vda", Some("/images/root.squashfs")))
}

/// The tree, the image and what is made of both: as root of the booted system.
#[test]
fn nobody_can_write_to_a_sealed_root() -> Result<()> {
    let image = Image::small("squashfs")?;
    let medium = Image::medium("vfat")?;
    let mut guest = Vm::new("rootimg=/images/root.squashfs").disk(&medium).boots()?;
    ensure!(matches!(guest.status()?.seal, Seal::Verity { .. }), "verity is not the default");
    for device in ["loop0", "loop1", "dm-0"] {
        ensure!(guest.read(format!("/sys/block/{device}/size"))? != "0", "{device} is not in use");
        let refused = guest.write(&format!("/dev/{device}"), "changed").err().ok_or("it was written to")?.to_string();
        ensure!(refused.contains("(os error "), "{device}: {refused}");
    }
    guest.ends_measured(&image).map(drop)
}

/// A machine whose initramfs has no dm-verity.
fn without_verity(parameters: &str) -> Result<(Scratch, Vm, Image)> {
    let (scratch, image) = (Scratch::new()?, Image::small("squashfs")?);
    let mut pack = tool::limited(Duration::from_mins(1), assets::product("release/measureroot")?);
    pack.arg("initramfs").arg("--agent").arg(assets::product("initramfs/init")?);
    pack.arg("--kernel-modules").arg(assets::product("test-vm/kernel-6.1/modules")?);
    for module in ["virtio_pci", "virtio_blk", "virtio_console", "loop", "overlay", "squashfs"] {
        pack.args(["--module", module]);
    }
    tool::finish(pack.arg("--output").arg(scratch.path("initramfs")))?;
    let vm = Vm::new(&format!("root=/dev/vda {parameters}")).initramfs(scratch.path("initramfs")).disk(&image);
    Ok((scratch, vm, image))
}

#[test]
fn no_verity_where_it_was_asked_for() -> Result<()> {
    let (_scratch, vm, _image) = without_verity("measureroot.seal=verity")?;
    vm.fails()?.at("seal the image", "dm-verity")
}

#[test]
fn no_verity_is_a_copy_where_nothing_was_asked_for() -> Result<()> {
    let (_scratch, vm, image) = without_verity("")?;
    let mut guest = vm.boots()?;
    assert_eq!(guest.status()?.seal, Seal::Ram);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn too_little_memory_for_a_copy() -> Result<()> {
    let bytes = 1 << 30;
    let image = Image::small("squashfs")?.larger(bytes)?;
    let failed = Vm::new("root=/dev/vda measureroot.seal=ram").disk(&image).fails()?;
    failed.at("seal the image", "measureroot.seal=ram")?;
    let numbers = failed.failure.cause.split(|char: char| !char.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = numbers.collect();
    let [needed, there] = numbers[..] else { return Err(format!("not two numbers: {:?}", failed.failure).into()) };
    ensure!(needed >= bytes && there > 0 && there < 512 << 20, "{:?}", failed.failure);
    Ok(())
}

#[test]
fn a_copy_outlives_its_medium() -> Result<()> {
    let image = Image::plain("squashfs", "not read before the medium is gone")?;
    let mut machine = Vm::new("root=/dev/vda measureroot.seal=toram").start()?;
    machine.says("measureroot: wait for devices")?;
    machine.plug(&image)?;
    let mut guest = machine.booted()?;
    guest.pull()?;
    ensure!(!guest.list("/sys/block")?.contains(&"vda".to_owned()), "the disk is still there");
    assert_eq!(guest.read("/secret")?, "not read before the medium is gone");
    guest.ends_measured(&image).map(drop)
}

/// Every loop device there is gets a file.
const TAKE_LOOPS: [&str; 4] = [
    "mount -t devtmpfs dev /dev",
    "insmod /lib/modules/*/kernel/drivers/block/loop.ko",
    "echo taken >/taken",
    "find /dev -name 'loop[0-9]*' -exec /busybox losetup {} /taken \\;",
];

/// The image boots from a file on a medium, though all loop devices are taken; it gets as many new ones.
fn boots_with_taken_loops(seal: &str, new_loops: usize) -> Result<()> {
    let before = WrappedInitramfs::new(Kernel::V6_1, &TAKE_LOOPS)?;
    let (medium, image) = (Image::medium("ext4")?, Image::small("squashfs")?);
    let vm = Vm::new("rdinit=/init-before root=/dev/vda rootimg=/images/root.squashfs").initramfs(before.initramfs());
    let mut guest = vm.with(&format!("measureroot.seal={seal}")).disk(&medium).boots()?;
    let loops: Vec<_> = guest.list("/sys/block")?.into_iter().filter(|name| name.starts_with("loop")).collect();
    let mut taken = 0;
    for name in &loops {
        let file = guest.read(format!("/sys/block/{name}/loop/backing_file"))?;
        taken += usize::from(file.starts_with("/taken"));
    }
    ensure!(taken > 0 && loops.len() - taken == new_loops, "{taken} loop devices are taken of {loops:?}");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_tree_where_all_loop_devices_are_taken() -> Result<()> {
    boots_with_taken_loops("verity", 2)
}

#[test]
fn a_copy_where_all_loop_devices_are_taken() -> Result<()> {
    boots_with_taken_loops("ram", 1)
}
