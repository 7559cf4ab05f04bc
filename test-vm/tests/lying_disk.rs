//! A disk that answers the second read differently: what each seal makes of it.

use test_vm::{Guest, Image, LyingDisk, Result, Seal, StoppedVm, Vm, ensure};

/// What the image says, and what the disk says the second time.
const TRUTH: &str = "the bytes that were measured";
const LIE: &str = "the bytes somebody else sent";

/// A file with the truth in its middle, far from the blocks of any other file.
fn secret() -> String {
    let filler = "0123456789abcde\n".repeat(1024);
    format!("{filler}{TRUTH}\n{filler}")
}

/// A root image that holds the secret, on a disk that serves it truthfully once.
struct Lie {
    image: Image,
    disk: LyingDisk,
    parameters: &'static str,
    /// The block device that the image's bytes come from.
    device: &'static str,
}

/// The image is the disk.
fn disk_of(format: &str) -> Result<Lie> {
    let image = Image::plain(format, &secret())?;
    let disk = LyingDisk::about(&image, TRUTH, LIE)?;
    Ok(Lie { image, disk, parameters: "root=/dev/vda", device: "vda" })
}

/// The image is a file on the disk, and with that a loop device.
fn file_on(medium: &str) -> Result<Lie> {
    let image = Image::plain("squashfs", &secret())?;
    let disk = LyingDisk::about(&Image::holding(medium, &image)?, TRUTH, LIE)?;
    Ok(Lie { image, disk, parameters: "root=/dev/vda rootimg=/image", device: "loop0" })
}

/// Boots from the disk, which lies about the secret from here on.
fn boots(lie: &Lie, parameters: &str) -> Result<Guest> {
    let guest = Vm::new(lie.parameters).with(parameters).lying_disk(&lie.disk).boots()?;
    ensure!(lie.disk.reads() == 1, "the secret was read {} times before the root ran", lie.disk.reads());
    Ok(guest)
}

fn says(ended: &StoppedVm, words: &[&str]) -> Result<()> {
    let said = ended.console().iter().any(|line| words.iter().all(|word| line.contains(word)));
    ensure!(said, "no line with {words:?} in\n{}", ended.console().join("\n"));
    Ok(())
}

/// Without a seal the lie arrives, and the PCR does not show it: the attack works.
fn is_deceived(lie: &Lie) -> Result<()> {
    let mut guest = boots(lie, "measureroot.seal=none")?;
    ensure!(guest.read("/secret")? == secret().replace(TRUTH, LIE).trim_end(), "the attack does not work");
    ensure!(lie.disk.reads() > 1, "the lie came from nowhere");
    assert_eq!(guest.status()?.seal, Seal::None);
    says(&guest.ends_measured(&lie.image)?, &["measureroot", "seal=none"])
}

/// dm-verity sees the lie, and the kernel's log names the device by its number.
fn is_checked(lie: &Lie) -> Result<()> {
    let mut guest = boots(lie, "measureroot.seal=verity")?;
    let refused = guest.read("/secret").err().ok_or("the lie was believed")?.to_string();
    ensure!(refused.contains("(os error 5)"), "not EIO but {refused}");
    ensure!(lie.disk.reads() > 1, "nobody asked the disk");
    let number = guest.read(format!("/sys/block/{}/dev", lie.device))?;
    says(&guest.ends_measured(&lie.image)?, &["verity", &format!(" {number}: "), "is corrupted"])
}

/// The copy is the truth, and nobody asks the disk.
fn is_kept(lie: &Lie) -> Result<()> {
    let mut guest = boots(lie, "measureroot.seal=ram")?;
    ensure!(guest.read("/secret")? == secret().trim_end(), "the copy is another");
    assert_eq!(lie.disk.reads(), 1);
    guest.ends_measured(&lie.image).map(drop)
}

#[test]
fn without_a_seal_a_squashfs_that_lies_is_believed() -> Result<()> {
    is_deceived(&disk_of("squashfs")?)
}

#[test]
fn without_a_seal_an_erofs_that_lies_is_believed() -> Result<()> {
    is_deceived(&disk_of("erofs")?)
}

#[test]
fn without_a_seal_an_ext4_that_lies_is_believed() -> Result<()> {
    is_deceived(&disk_of("ext4")?)
}

#[test]
fn without_a_seal_a_file_on_vfat_that_lies_is_believed() -> Result<()> {
    is_deceived(&file_on("vfat")?)
}

#[test]
fn without_a_seal_a_file_on_ext4_that_lies_is_believed() -> Result<()> {
    is_deceived(&file_on("ext4")?)
}

#[test]
fn verity_fails_the_reads_of_a_squashfs_that_lies() -> Result<()> {
    is_checked(&disk_of("squashfs")?)
}

#[test]
fn verity_fails_the_reads_of_an_erofs_that_lies() -> Result<()> {
    is_checked(&disk_of("erofs")?)
}

#[test]
fn verity_fails_the_reads_of_an_ext4_that_lies() -> Result<()> {
    is_checked(&disk_of("ext4")?)
}

#[test]
fn verity_fails_the_reads_of_a_file_on_vfat_that_lies() -> Result<()> {
    is_checked(&file_on("vfat")?)
}

#[test]
fn verity_fails_the_reads_of_a_file_on_ext4_that_lies() -> Result<()> {
    is_checked(&file_on("ext4")?)
}

#[test]
fn a_copy_of_a_squashfs_that_lies_later_is_the_truth() -> Result<()> {
    is_kept(&disk_of("squashfs")?)
}

#[test]
fn a_copy_of_an_erofs_that_lies_later_is_the_truth() -> Result<()> {
    is_kept(&disk_of("erofs")?)
}

#[test]
fn a_copy_of_an_ext4_that_lies_later_is_the_truth() -> Result<()> {
    is_kept(&disk_of("ext4")?)
}

#[test]
fn a_copy_of_a_file_on_vfat_that_lies_later_is_the_truth() -> Result<()> {
    is_kept(&file_on("vfat")?)
}

#[test]
fn a_copy_of_a_file_on_ext4_that_lies_later_is_the_truth() -> Result<()> {
    is_kept(&file_on("ext4")?)
}

/// The end of a machine that reads the lie.
fn ends_at_the_lie(on_corrupt: &str) -> Result<StoppedVm> {
    let lie = disk_of("erofs")?;
    let ended = boots(&lie, &format!("measureroot.oncorrupt={on_corrupt}"))?.ends_reading("/secret")?;
    assert_eq!(ended.reason(), "guest-reset");
    Ok(ended)
}

#[test]
fn a_lie_restarts_the_machine_that_asks_for_it() -> Result<()> {
    says(&ends_at_the_lie("restart")?, &["Restarting system", "dm-verity device corrupted"])
}

#[test]
fn a_lie_panics_the_machine_that_asks_for_it() -> Result<()> {
    says(&ends_at_the_lie("panic")?, &["Kernel panic", "dm-verity device"])
}
