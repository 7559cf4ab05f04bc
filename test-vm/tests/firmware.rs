//! `measureroot predict --like` and `--efivars`: OVMF starts one unified kernel image, and its log predicts the boot of another one, in
//! all PCRs, without and with Secure Boot.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::signed::signed;
use test_vm::{Builder, Bus, Firmware, Guest, Image, Result, RootFs, Vm, efivars, predict, tool, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// The firmware's log with measureroot's events behind it.
const LOG: &str = "/run/measureroot/binary_bios_measurements";

fn boot(firmware: Firmware, program: &Path, scratch: &Scratch) -> Result<Guest> {
    let esp = scratch.path("esp");
    std::fs::create_dir_all(esp.join("EFI/BOOT"))?;
    std::fs::copy(program, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    let vm = Vm::started_by(firmware).large().disk_file(Bus::Virtio, uki::disk(&esp, &[], scratch)?);
    vm.disk(&Image::small(RootFs::Squashfs)?).boots()
}

/// The log of a boot of `good` predicts the boot of `new`.
fn predicts(firmware: Firmware, good: &Path, new: &Path, scratch: &Scratch) -> Result<()> {
    let mut guest = boot(firmware, good, scratch)?;
    let log = scratch.path("good.log");
    std::fs::write(&log, guest.bytes(LOG)?.content)?;
    guest.power_off()?;
    let chain = predict::chain_with(new, &["--like", &log.display().to_string()])?;
    let keys: Vec<_> = chain.keys().copied().collect();
    let efivars = scratch.path("efivars");
    efivars::of_log(&log, &efivars)?;
    let of_variables = predict::chain_with(new, &["--efivars", &efivars.display().to_string()])?;
    let vm = boot(firmware, new, scratch)?.power_off()?;
    for pcr in [4, 7] {
        let values = of_variables.get(&pcr).ok_or_else(|| format!("PCR {pcr} does not follow from the variables"))?;
        predict::answers(values, &vm.pcrs(pcr)?, pcr)?;
    }
    for (pcr, values) in &chain {
        assert_eq!(values.len(), if *pcr == 11 { 5 } else { 1 }, "PCR {pcr} is decided");
    }
    predict::holds(&vm, &chain)?;
    assert_eq!(keys, [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 14]);
    Ok(())
}

/// A disk with a GPT, whose first partition has the program and the files; `more` are lines for other partitions.
fn gpt_disk(name: &str, files: &[(&Path, &str)], more: &str, scratch: &Scratch) -> Result<PathBuf> {
    const START: u64 = 1 << 20;
    let esp = scratch.path(&format!("{name}.files"));
    for (file, path) in files {
        let place = esp.join(path);
        std::fs::create_dir_all(place.parent().ok_or("a path has a folder")?)?;
        std::fs::copy(file, place)?;
    }
    let fat = std::fs::read(uki::disk(&esp, &[], scratch)?)?;
    let disk = scratch.path(name);
    std::fs::File::create(&disk)?.set_len(fat.len() as u64 + 8 * START)?;
    let table = format!("label: gpt\nstart=2048, size={}, type=U, name=esp\n{more}", fat.len() / 512);
    std::fs::write(scratch.path("table"), table)?;
    let script =
        format!("PATH=$PATH:/usr/sbin; sfdisk --quiet '{}' <'{}'", disk.display(), scratch.path("table").display());
    uki::run("sh", ["-c", &script])?;
    std::fs::File::options().write(true).open(&disk)?.write_all_at(&fat, START)?;
    Ok(disk)
}

/// The log of a boot of one disk predicts PCR 5 of a boot of another one, which has another partition table.
fn predicts_the_table(good: &Path, new: &Path, scratch: &Scratch) -> Result<()> {
    let boot = |disk: &Path| {
        let vm = Vm::started_by(Firmware::Uefi).large().disk_file(Bus::Virtio, disk.to_owned());
        vm.disk(&Image::small(RootFs::Squashfs)?).boots()
    };
    let mut guest = boot(good)?;
    let log = scratch.path("good.log");
    std::fs::write(&log, guest.bytes(LOG)?.content)?;
    guest.power_off()?;
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    predict.args(["predict", "--json", "--like"]).arg(&log).arg("--disk").arg(new);
    let [chain] = &predict::boots(&tool::finish(&mut predict)?)?[..] else { return Err("not one boot".into()) };
    let vm = boot(new)?.power_off()?;
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14]);
    // The boot options in PCR 1 name the partition.
    let own = chain.iter().filter(|(pcr, _)| **pcr != 1).map(|(pcr, values)| (*pcr, values.clone())).collect();
    predict::holds(&vm, &own)
}

/// A partition of another disk, beside the one with the program.
const MORE: &str = "size=2048, type=L, name=more\n";

#[test]
fn a_good_log_predicts_another_partition_table() -> Result<()> {
    let scratch = Scratch::new()?;
    let [good, new] = both(&scratch)?;
    let good = gpt_disk("good.disk", &[(&good, "EFI/BOOT/BOOTX64.EFI")], "", &scratch)?;
    let new = gpt_disk("new.disk", &[(&new, "EFI/BOOT/BOOTX64.EFI")], MORE, &scratch)?;
    predicts_the_table(&good, &new, &scratch)
}

/// From 255 on, systemd-boot measures its configuration into PCR 5, too.
#[test]
fn a_good_log_predicts_another_configuration_of_systemd_boot() -> Result<()> {
    let (scratch, builder) = (Scratch::new()?, Builder::mkosi()?);
    let [good, new] = both(&scratch)?;
    builder.run("cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi loader.efi")?;
    let (loader, conf) = (builder.file("loader.efi")?, scratch.path("loader.conf"));
    std::fs::write(&conf, "timeout 0\n")?;
    let files = |uki| [(&*loader, "EFI/BOOT/BOOTX64.EFI"), (uki, "EFI/Linux/measured.efi")];
    let good = gpt_disk("good.disk", &files(&good), "", &scratch)?;
    let new = [&files(&new)[..], &[(&*conf, "loader/loader.conf")]].concat();
    let new = gpt_disk("new.disk", &new, MORE, &scratch)?;
    predicts_the_table(&good, &new, &scratch)
}

fn both(scratch: &Scratch) -> Result<[PathBuf; 2]> {
    Ok([uki::made(scratch, "good", CMDLINE)?, uki::made(scratch, "new", &format!("{CMDLINE} quiet"))?])
}

#[test]
fn a_good_log_predicts_another_image() -> Result<()> {
    let scratch = Scratch::new()?;
    let [good, new] = both(&scratch)?;
    predicts(Firmware::Uefi, &good, &new, &scratch)
}

#[test]
fn a_good_log_predicts_another_image_with_secure_boot() -> Result<()> {
    let scratch = Scratch::new()?;
    let [good, new] = both(&scratch)?;
    predicts(Firmware::SecureBoot, &signed(&good, &scratch)?, &signed(&new, &scratch)?, &scratch)
}
