//! A disk that answers the second read with other bytes, or refuses it: the effect of each seal. A disk that stops answering after it
//! was found: the boot ends.

use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{
    Failed, Guest, Image, Kernel, LyingDisk, Medium, Prediction, Result, RootFs, SealChoice, Step, StoppedVm,
    Uncompressed, Vm, ensure, image,
};

/// The bytes of the image, and the bytes that the disk gives instead from the second read on.
const TRUTH: &str = "the bytes that were measured";
const LIE: &str = "the bytes an attacker forged";

/// The content of a file with the bytes of the image in its middle.
fn secret() -> String {
    image::between_fillers(TRUTH, 1024)
}

/// A root image that holds the secret, on a disk that gives the right bytes only at the first read.
struct Attack {
    image: Image,
    disk: LyingDisk,
    parameters: &'static str,
    /// The block device that the image's bytes come from.
    device: &'static str,
}

impl Attack {
    /// The image is the whole disk.
    fn on_disk(format: Uncompressed) -> Result<Self> {
        let image = Image::uncompressed(format, &secret())?;
        let disk = LyingDisk::about(&image, TRUTH, LIE)?;
        Ok(Self { image, disk, parameters: "root=/dev/vda", device: "vda" })
    }

    /// The image is a file on the disk, so it becomes a loop device.
    fn in_file(medium: Medium) -> Result<Self> {
        let image = Image::uncompressed(Uncompressed::Squashfs, &secret())?;
        let disk = LyingDisk::about(&Image::holding(medium, &image)?, TRUTH, LIE)?;
        Ok(Self { image, disk, parameters: "root=/dev/vda rootimg=/image", device: "loop0" })
    }

    /// Boots from the disk. Every later read of the secret gets the lie.
    fn boots(&self, parameters: &str) -> Result<Guest> {
        let guest = Vm::new(self.parameters).with(parameters).lying_disk(&self.disk).boots()?;
        ensure!(self.disk.reads() == 1, "the secret was read {} times before the root ran", self.disk.reads());
        Ok(guest)
    }

    /// Without a seal the attack works: the guest reads the lie, and the PCR does not show it.
    fn succeeds_without_a_seal(&self) -> Result<()> {
        let mut guest = self.boots(SealChoice::None.parameter())?;
        ensure!(guest.read("/secret")? == secret().replace(TRUTH, LIE).trim_end(), "the attack does not work");
        ensure!(self.disk.reads() > 1, "the lie does not come from the disk");
        guest.is_sealed(SealChoice::None)?;
        guest.ends_measured(&self.image)?.says(&["measureroot", "seal=none"])
    }

    /// dm-verity fails the read of the lie. The kernel's log names the device by its number.
    fn fails_with_verity(&self) -> Result<()> {
        let mut guest = self.boots(SealChoice::Verity.parameter())?;
        guest.cannot_read("/secret")?;
        ensure!(self.disk.reads() > 1, "the disk was not read again");
        let number = guest.read(format!("/sys/block/{}/dev", self.device))?;
        guest.ends_measured(&self.image)?.says(&["verity", &format!(" {number}: "), "is corrupted"])
    }

    /// The copy in RAM has the truth, and the disk is not read again.
    fn has_no_effect_on_a_copy(&self) -> Result<()> {
        let mut guest = self.boots(SealChoice::Ram.parameter())?;
        ensure!(guest.read("/secret")? == secret().trim_end(), "the copy has other bytes");
        assert_eq!(self.disk.reads(), 1);
        guest.ends_measured(&self.image).map(drop)
    }
}

#[test]
fn without_a_seal_the_guest_reads_changed_bytes_of_a_squashfs() -> Result<()> {
    Attack::on_disk(Uncompressed::Squashfs)?.succeeds_without_a_seal()
}

#[test]
fn without_a_seal_the_guest_reads_changed_bytes_of_an_erofs() -> Result<()> {
    Attack::on_disk(Uncompressed::Erofs)?.succeeds_without_a_seal()
}

#[test]
fn without_a_seal_the_guest_reads_changed_bytes_of_an_ext4() -> Result<()> {
    Attack::on_disk(Uncompressed::Ext4)?.succeeds_without_a_seal()
}

#[test]
fn without_a_seal_the_guest_reads_changed_bytes_of_a_file_on_vfat() -> Result<()> {
    Attack::in_file(Medium::Vfat)?.succeeds_without_a_seal()
}

#[test]
fn without_a_seal_the_guest_reads_changed_bytes_of_a_file_on_ext4() -> Result<()> {
    Attack::in_file(Medium::Ext4)?.succeeds_without_a_seal()
}

#[test]
fn verity_fails_the_read_of_changed_bytes_of_a_squashfs() -> Result<()> {
    Attack::on_disk(Uncompressed::Squashfs)?.fails_with_verity()
}

#[test]
fn verity_fails_the_read_of_changed_bytes_of_an_erofs() -> Result<()> {
    Attack::on_disk(Uncompressed::Erofs)?.fails_with_verity()
}

#[test]
fn verity_fails_the_read_of_changed_bytes_of_an_ext4() -> Result<()> {
    Attack::on_disk(Uncompressed::Ext4)?.fails_with_verity()
}

#[test]
fn verity_fails_the_read_of_changed_bytes_of_a_file_on_vfat() -> Result<()> {
    Attack::in_file(Medium::Vfat)?.fails_with_verity()
}

#[test]
fn verity_fails_the_read_of_changed_bytes_of_a_file_on_ext4() -> Result<()> {
    Attack::in_file(Medium::Ext4)?.fails_with_verity()
}

#[test]
fn a_copy_of_a_squashfs_has_the_measured_bytes() -> Result<()> {
    Attack::on_disk(Uncompressed::Squashfs)?.has_no_effect_on_a_copy()
}

#[test]
fn a_copy_of_an_erofs_has_the_measured_bytes() -> Result<()> {
    Attack::on_disk(Uncompressed::Erofs)?.has_no_effect_on_a_copy()
}

#[test]
fn a_copy_of_an_ext4_has_the_measured_bytes() -> Result<()> {
    Attack::on_disk(Uncompressed::Ext4)?.has_no_effect_on_a_copy()
}

#[test]
fn a_copy_of_a_file_on_vfat_has_the_measured_bytes() -> Result<()> {
    Attack::in_file(Medium::Vfat)?.has_no_effect_on_a_copy()
}

#[test]
fn a_copy_of_a_file_on_ext4_has_the_measured_bytes() -> Result<()> {
    Attack::in_file(Medium::Ext4)?.has_no_effect_on_a_copy()
}

/// The machine stops when it reads the lie.
fn stops_at_the_lie(parameter: &str) -> Result<StoppedVm> {
    // The attack's disk must exist until the machine has stopped.
    let attack = Attack::on_disk(Uncompressed::Erofs)?;
    let vm = attack.boots(parameter)?.ends_reading("/secret")?;
    assert_eq!(vm.reason(), "guest-reset");
    Ok(vm)
}

#[test]
fn changed_bytes_restart_the_machine_if_oncorrupt_asks_for_it() -> Result<()> {
    let vm = stops_at_the_lie("measureroot.oncorrupt=restart")?;
    vm.says(&["Restarting system", "dm-verity device corrupted"])
}

#[test]
fn changed_bytes_panic_the_kernel_if_oncorrupt_asks_for_it() -> Result<()> {
    stops_at_the_lie("measureroot.oncorrupt=panic")?.says(&["Kernel panic", "dm-verity device"])
}

/// A disk that refuses every later read of the secret, and a machine with this kernel.
fn withheld(kernel: Kernel, parameter: &str) -> Result<(LyingDisk, Guest)> {
    let image = Image::uncompressed(Uncompressed::Erofs, &secret())?;
    let disk = LyingDisk::withholding(&image, TRUTH)?;
    let guest = Vm::new("root=/dev/vda").with(parameter).kernel(kernel).lying_disk(&disk).boots()?;
    Ok((disk, guest))
}

/// A medium that may choose between a wrong block and none cannot choose what `oncorrupt=` does.
#[test]
fn a_refused_read_restarts_the_machine_if_oncorrupt_asks_for_it() -> Result<()> {
    let (_disk, guest) = withheld(Kernel::V6_12, "measureroot.oncorrupt=restart")?;
    let vm = guest.ends_reading("/secret")?;
    assert_eq!(vm.reason(), "guest-reset");
    vm.says(&["Restarting system", "dm-verity device has I/O error"])
}

#[test]
fn a_kernel_that_cannot_restart_at_a_refused_read_is_told() -> Result<()> {
    let (_disk, mut guest) = withheld(Kernel::V6_1, "measureroot.oncorrupt=restart")?;
    guest.cannot_read("/secret")?;
    guest.power_off()?.says(&["measureroot.oncorrupt=restart: only for blocks that differ"])
}

/// The boot from a disk that stops answering while this step reads it. The kernel waits for virtio-blk for ever.
fn fails_at_silence(mut disk: LyingDisk, parameters: &str, step: Step) -> Result<Failed> {
    let vm = Vm::new(parameters).with("measureroot.timeout=15").kernel(Kernel::V6_12).lying_disk(&disk);
    let mut machine = vm.start()?;
    machine.reaches(step)?;
    machine.says("vda: no answer for 10 s; the boot waits for 15 s")?;
    machine.says("did not answer in 15 s")?;
    machine.says(&format!("PCR {DEFAULT_PCR} extended with the digest of"))?;
    // The failure was handled although a thread still waits for the disk.
    disk.breaks();
    machine.failed()
}

#[test]
fn a_disk_that_stops_answering_while_it_is_hashed_ends_the_boot() -> Result<()> {
    let disk = LyingDisk::falling_silent_at(&Image::uncompressed(Uncompressed::Squashfs, &secret())?, TRUTH)?;
    let failed = fails_at_silence(disk, "root=/dev/vda", Step::HashImage)?;
    failed.at(Step::HashImage, "/dev/vda")?;
    failed.because(&["did not answer in 15 s", "damaged", "measureroot.timeout="])
}

#[test]
fn a_disk_that_stops_answering_when_the_image_is_mounted_ends_the_boot() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Squashfs, &secret())?;
    let failed = fails_at_silence(LyingDisk::falling_silent_behind(&image, TRUTH)?, "root=/dev/vda", Step::MountImage)?;
    failed.at_step(Step::MountImage, "/dev/vda")?;
    failed.vm.holds(DEFAULT_PCR, Some(&Prediction::of(image.path())?.after()), FAILED)
}

/// The medium's file system is mounted already, and the superblock of the image on it was read.
#[test]
fn a_medium_that_stops_answering_while_its_image_is_hashed_ends_the_boot() -> Result<()> {
    let image = Image::uncompressed(Uncompressed::Squashfs, &secret())?;
    let disk = LyingDisk::falling_silent_at(&Image::holding(Medium::Ext4, &image)?, TRUTH)?;
    fails_at_silence(disk, "root=/dev/vda rootimg=/image", Step::HashImage)?.at(Step::HashImage, "/image on /dev/vda")
}

/// The driver of virtio-blk looks for partitions before it is ready. So the load of its module hangs.
#[test]
fn a_disk_that_never_answers_its_driver_ends_the_boot() -> Result<()> {
    // QEMU itself reads the first sector. The kernel reads a page, and with it the label.
    let image =
        Image::around(&Image::small(RootFs::Squashfs)?, "/usr/sbin/mke2fs -q -t ext4 -L SILENT -d tree made 32M")?;
    let mut disk = LyingDisk::falling_silent_at(&image, "SILENT")?;
    let mut machine = Vm::new("root=/dev/vda measureroot.timeout=2").kernel(Kernel::V6_12).lying_disk(&disk).start()?;
    machine.says("module virtio_blk: not ready after 10 s; the boot waits for 30 s")?;
    machine.says("module virtio_blk: not ready in 30 s")?;
    machine.says(&format!("PCR {DEFAULT_PCR} extended with the digest of"))?;
    // The failure was handled although a thread still waits for the disk.
    disk.breaks();
    let failed = machine.failed()?;
    failed.at(Step::LoadModules, "module virtio_blk")?;
    failed.because(&["not ready in 30 s", "module_blacklist=virtio_blk", "measureroot.timeout="])
}

/// The end of a CD that was written at once cannot be read, nor can each place of a worn or counterfeit stick.
#[test]
fn a_place_behind_the_image_that_cannot_be_read_is_not_read() -> Result<()> {
    const BEHIND: &str = "no drive can read this sector";
    let image = Image::small(RootFs::Squashfs)?;
    let end = image.bytes()?;
    let disk =
        LyingDisk::unreadable_at(&image.on_disk_of(end + (2 << 20))?.with_bytes(end, BEHIND.as_bytes())?, BEHIND)?;
    let guest = Vm::new("root=/dev/vda").lying_disk(&disk).boots()?;
    guest.ends_measured(&image)?;
    assert_eq!(disk.reads(), 0);
    Ok(())
}
