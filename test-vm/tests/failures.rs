//! A boot that fails, fails closed: it names the step on one line, marks the PCR, and ends as the command line asks. It never
//! starts a root.

use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{Failed, Image, Medium, Prediction, Result, RootFs, Step, Uncompressed, Vm, ensure};

/// A boot from the small squashfs as /dev/vda that must fail.
fn fails(parameters: &str) -> Result<Failed> {
    Vm::new(parameters).disk(&Image::small(RootFs::Squashfs)?).fails()
}

/// A boot from a medium as /dev/vda that must fail.
fn fails_on(medium: Medium, parameters: &str) -> Result<Failed> {
    Vm::new(parameters).disk(&Image::medium(medium)?).fails()
}

#[test]
fn a_missing_device_fails_the_boot() -> Result<()> {
    fails("root=/dev/vdb measureroot.timeout=2")?.at(Step::WaitForDevices, "/dev/vdb")
}

#[test]
fn a_missing_label_fails_the_boot() -> Result<()> {
    fails("root=LABEL=nowhere measureroot.timeout=2")?.at(Step::WaitForDevices, "LABEL=nowhere")
}

#[test]
fn an_image_that_is_missing_on_its_medium_fails_the_boot() -> Result<()> {
    fails_on(Medium::Vfat, "root=/dev/vda rootimg=/images/none")?.at(Step::FindImage, "/images/none")
}

#[test]
fn an_image_that_is_missing_on_every_medium_fails_the_boot() -> Result<()> {
    fails_on(Medium::Ext4, "rootimg=/images/none measureroot.timeout=2")?.at(Step::FindImage, "/images/none")
}

#[test]
fn a_device_that_is_a_medium_and_no_image_fails_the_boot() -> Result<()> {
    fails_on(Medium::Vfat, "root=/dev/vda")?.at(Step::FindImage, "/dev/vda")
}

#[test]
fn a_device_without_a_file_system_fails_the_boot() -> Result<()> {
    Vm::new("root=/dev/vda1").disk(&Image::partitioned_medium()?).fails()?.at(Step::FindImage, "/dev/vda1")
}

#[test]
fn a_truncated_image_fails_the_boot() -> Result<()> {
    let image = Image::small(RootFs::Erofs)?.cut(256 * 1024)?;
    Vm::new("root=/dev/vda").disk(&image).fails()?.at(Step::FindImage, "/dev/vda")
}

#[test]
fn another_file_system_than_rootfstype_names_fails_the_boot() -> Result<()> {
    fails("root=/dev/vda rootfstype=erofs")?.at(Step::FindImage, "/dev/vda")
}

#[test]
fn a_file_system_that_no_image_has_fails_the_boot_before_a_device_is_looked_for() -> Result<()> {
    let failed = fails("root=/dev/vda rootfstype=xfs,btrfs")?;
    failed.because(&["no root image has this type", "squashfs, erofs or ext4"])?;
    failed.at(Step::ReadCommandLine, "rootfstype=xfs,btrfs")
}

#[test]
fn a_volume_that_no_program_opens_fails_the_boot_at_once() -> Result<()> {
    let failed = fails("root=/dev/mapper/vg-root rd.lvm.lv=vg/root rootwait")?;
    failed.because(&["LVM"])?;
    failed.at(Step::ReadCommandLine, "root=/dev/mapper/vg-root")
}

/// Behind the image is a second ext4, and the PCR would be that of the first.
#[test]
fn an_option_that_leads_to_another_file_system_on_the_device_fails_the_boot() -> Result<()> {
    let (image, other) = (Image::small(RootFs::Ext4)?, Image::uncompressed(Uncompressed::Ext4, "not measured")?);
    let bytes = image.bytes()?;
    let disk = image.on_disk_of(bytes + other.bytes()?)?.with_bytes(bytes, &std::fs::read(other.path())?)?;
    // ext4 counts in units of 1 KiB, and its superblock is 1 KiB behind its start.
    let option = format!("rootflags=sb={}", bytes / 1024 + 1);
    let vm = Vm::new("root=/dev/vda measureroot.seal=none").with(&option).disk(&disk);
    vm.fails()?.at(Step::ReadCommandLine, &option)
}

#[test]
fn an_option_of_another_file_system_than_the_image_s_fails_the_boot() -> Result<()> {
    let failed = fails("root=/dev/vda rootflags=noload")?;
    failed.at(Step::FindImage, "rootflags=noload")?;
    failed.because(&["squashfs"])
}

#[test]
fn a_failure_is_on_the_console_in_spite_of_quiet() -> Result<()> {
    fails("root=/dev/vdb measureroot.timeout=2 quiet loglevel=1")?.at(Step::WaitForDevices, "/dev/vdb")
}

#[test]
fn a_failure_is_on_the_console_if_the_kernel_drops_what_programs_log() -> Result<()> {
    fails("root=/dev/vdb measureroot.timeout=2 printk.devkmsg=off")?.at(Step::WaitForDevices, "/dev/vdb")
}

#[test]
fn a_failure_that_is_longer_than_a_record_of_the_kernel_is_shown() -> Result<()> {
    let value = "9".repeat(1000);
    let failed = fails(&format!("root=/dev/vda rootimgpcr={value}"))?;
    failed.because(&["PCR"])?;
    failed.at(Step::ReadCommandLine, "rootimgpcr=9")
}

#[test]
fn a_machine_without_a_console_boots() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let vm = Vm::new("").cmdline("console=null panic=1 root=/dev/vda").disk(&image);
    vm.boots()?.ends_measured(&image).map(drop)
}

#[test]
fn a_missing_tpm_fails_the_boot() -> Result<()> {
    let vm = Vm::new("root=/dev/vda measureroot.timeout=2").banks(&[]).disk(&Image::small(RootFs::Squashfs)?);
    vm.fails()?.at_step(Step::WaitForDevices, "TPM")
}

#[test]
fn a_path_that_leads_out_of_the_medium_fails_the_boot() -> Result<()> {
    fails_on(Medium::Ext4, "root=/dev/vda rootimg=../../x")?.at(Step::ReadCommandLine, "rootimg=../../x")
}

#[test]
fn a_link_that_leads_out_of_the_medium_fails_the_boot() -> Result<()> {
    fails_on(Medium::Ext4, "root=/dev/vda rootimg=/images/outside")?.at(Step::FindImage, "/images/outside")
}

#[test]
fn a_link_to_a_device_fails_the_boot() -> Result<()> {
    fails_on(Medium::Squashfs, "root=/dev/vda rootimg=/images/absolute")?.at(Step::FindImage, "/images/absolute")
}

#[test]
fn a_misspelt_parameter_fails_the_boot() -> Result<()> {
    fails("root=/dev/vda measureroot.timout=3")?.at(Step::ReadCommandLine, "measureroot.timout=3")
}

#[test]
fn a_name_that_looks_like_one_of_measureroot_fails_the_boot() -> Result<()> {
    fails("root=/dev/vda root_img=/images/root.squashfs")?.at(Step::ReadCommandLine, "root_img=/images/root.squashfs")
}

#[test]
fn a_root_on_the_network_fails_the_boot() -> Result<()> {
    Vm::new("root=/dev/nfs nfsroot=10.0.2.2:/root ip=dhcp").fails()?.at(Step::ReadCommandLine, "root=/dev/nfs")
}

#[test]
fn a_pcr_outside_the_allowed_range_fails_the_boot() -> Result<()> {
    fails("root=/dev/vda rootimgpcr=17")?.at(Step::ReadCommandLine, "rootimgpcr=17")
}

/// A program of the running system can reset PCR 23, and extend it with the digest of any image.
#[test]
fn a_pcr_that_a_running_system_can_reset_fails_the_boot() -> Result<()> {
    let failed = fails("root=/dev/vda rootimgpcr=23")?;
    failed.at(Step::ReadCommandLine, "rootimgpcr=23")?;
    failed.because(&["every program can reset it and extend it anew"])
}

#[test]
fn two_roots_on_the_command_line_fail_the_boot() -> Result<()> {
    fails("root=/dev/vda root=/dev/vdb")?.at(Step::ReadCommandLine, "root=/dev/v")
}

/// The boot fails after the image was measured. The PCR holds both the image and the failure.
fn fails_at_init(init: &str) -> Result<()> {
    let failed = fails(&format!("root=/dev/vda init={init}"))?;
    failed.at_step(Step::StartInit, init)?;
    let measured = Prediction::of(Image::small(RootFs::Squashfs)?.path())?.after();
    failed.vm.holds(DEFAULT_PCR, Some(&measured), FAILED)
}

#[test]
fn a_missing_init_fails_the_boot() -> Result<()> {
    fails_at_init("/no/such/init")
}

#[test]
fn an_init_that_is_no_program_fails_the_boot() -> Result<()> {
    fails_at_init("/etc/kept")
}

#[test]
fn a_failure_extends_the_pcr_that_the_command_line_names() -> Result<()> {
    let failed = fails("root=/dev/vdb rootimgpcr=14 measureroot.timeout=2")?;
    failed.vm.holds(14, None, FAILED)?;
    failed.vm.holds_nothing(DEFAULT_PCR)
}

#[test]
fn a_failed_boot_restarts_the_machine_if_the_command_line_asks_for_it() -> Result<()> {
    let failed = Vm::new("").cmdline("console=ttyS0 panic=1 root=/dev/vdb measureroot.timeout=2").fails()?;
    assert_eq!(failed.vm.reason(), "guest-reset");
    failed.vm.holds(DEFAULT_PCR, None, FAILED)
}

#[test]
fn a_failed_boot_halts_the_machine_if_the_command_line_asks_for_it() -> Result<()> {
    let parameters = "console=ttyS0 panic=1 root=/dev/vdb measureroot.timeout=2 measureroot.onfail=halt";
    let mut machine = Vm::new("").cmdline(parameters).start()?;
    machine.says("measureroot: FAILED at step \"wait for devices\": ")?;
    machine.says("System halted")?;
    let vm = machine.killed()?;
    ensure!(vm.reason() == "still running", "stopped by {}", vm.reason());
    vm.holds(DEFAULT_PCR, None, FAILED)
}
