//! It fails closed: a named step, one line, a mark in the PCR, and the end that was asked for. Never a running root.

use test_vm::{Failed, Image, Prediction, Result, Vm, ensure};

/// A boot from a small squashfs as /dev/vda that must fail.
fn fails(parameters: &str) -> Result<Failed> {
    Vm::new(parameters).disk(&Image::small("squashfs")?).fails()
}

/// A boot from a medium as /dev/vda that must fail.
fn fails_on_medium(parameters: &str, format: &str) -> Result<Failed> {
    Vm::new(parameters).disk(&Image::medium(format)?).fails()
}

#[test]
fn a_missing_device() -> Result<()> {
    fails("root=/dev/vdb measureroot.timeout=2")?.at("wait for devices", "/dev/vdb")
}

#[test]
fn a_missing_label() -> Result<()> {
    fails("root=LABEL=nowhere measureroot.timeout=2")?.at("wait for devices", "LABEL=nowhere")
}

#[test]
fn a_missing_image() -> Result<()> {
    fails_on_medium("root=/dev/vda rootimg=/images/none", "vfat")?.at("find the image", "/images/none")
}

#[test]
fn an_image_that_is_on_no_medium() -> Result<()> {
    fails_on_medium("rootimg=/images/none measureroot.timeout=2", "ext4")?.at("find the image", "/images/none")
}

#[test]
fn a_medium_where_an_image_was_expected() -> Result<()> {
    fails_on_medium("root=/dev/vda", "vfat")?.at("find the image", "/dev/vda")
}

#[test]
fn a_device_without_a_file_system() -> Result<()> {
    fails_on_medium("root=/dev/vda1", "gpt")?.at("find the image", "/dev/vda1")
}

#[test]
fn an_image_that_is_cut_short() -> Result<()> {
    let image = Image::small("erofs")?.cut(256 * 1024)?;
    Vm::new("root=/dev/vda").disk(&image).fails()?.at("find the image", "/dev/vda")
}

#[test]
fn another_file_system_than_the_one_named() -> Result<()> {
    fails("root=/dev/vda rootfstype=erofs")?.at("find the image", "/dev/vda")
}

#[test]
fn a_failure_is_said_to_the_person_who_wanted_it_quiet() -> Result<()> {
    fails("root=/dev/vdb measureroot.timeout=2 quiet loglevel=1")?.at("wait for devices", "/dev/vdb")
}

#[test]
fn no_tpm() -> Result<()> {
    let vm = Vm::new("root=/dev/vda measureroot.timeout=2").banks(&[]).disk(&Image::small("squashfs")?);
    vm.fails()?.at_step("wait for devices", "TPM")
}

#[test]
fn a_path_that_climbs_out_of_the_medium() -> Result<()> {
    fails_on_medium("root=/dev/vda rootimg=../../x", "ext4")?.at("read the command line", "rootimg=../../x")
}

#[test]
fn a_link_that_climbs_out_of_the_medium() -> Result<()> {
    fails_on_medium("root=/dev/vda rootimg=/images/outside", "ext4")?.at("find the image", "/images/outside")
}

#[test]
fn a_link_that_names_a_device_outside_the_medium() -> Result<()> {
    fails_on_medium("root=/dev/vda rootimg=/images/absolute", "squashfs")?.at("find the image", "/images/absolute")
}

#[test]
fn a_misspelt_parameter() -> Result<()> {
    fails("root=/dev/vda measureroot.timout=3")?.at("read the command line", "measureroot.timout=3")
}

#[test]
fn a_pcr_that_is_not_for_us() -> Result<()> {
    fails("root=/dev/vda rootimgpcr=17")?.at("read the command line", "rootimgpcr=17")
}

#[test]
fn two_roots() -> Result<()> {
    fails("root=/dev/vda root=/dev/vdb")?.at("read the command line", "root=/dev/v")
}

/// A boot that was measured, and failed after that: both are in the PCR.
fn fails_at_init(init: &str) -> Result<()> {
    let failed = fails(&format!("root=/dev/vda init={init}"))?;
    failed.at_step("start init", init)?;
    let measured = Prediction::of(Image::small("squashfs")?.path())?.after();
    failed.ended.holds(13, Some(&measured), "measureroot: failed")
}

#[test]
fn a_missing_init() -> Result<()> {
    fails_at_init("/no/such/init")
}

#[test]
fn an_init_that_is_no_program() -> Result<()> {
    fails_at_init("/etc/kept")
}

#[test]
fn the_failed_mark_goes_into_the_pcr_that_was_named() -> Result<()> {
    let failed = fails("root=/dev/vdb rootimgpcr=14 measureroot.timeout=2")?;
    failed.ended.holds(14, None, "measureroot: failed")?;
    failed.ended.holds_nothing(13)
}

#[test]
fn a_reboot_when_that_is_asked_for() -> Result<()> {
    let failed = Vm::new("").cmdline("console=ttyS0 panic=1 root=/dev/vdb measureroot.timeout=2").fails()?;
    assert_eq!(failed.ended.reason(), "guest-reset");
    failed.ended.holds(13, None, "measureroot: failed")
}

#[test]
fn a_halt_when_that_is_asked_for() -> Result<()> {
    let parameters = "console=ttyS0 panic=1 root=/dev/vdb measureroot.timeout=2 measureroot.onfail=halt";
    let mut machine = Vm::new("").cmdline(parameters).start()?;
    machine.says("measureroot: FAILED at step \"wait for devices\": ")?;
    machine.says("System halted")?;
    let ended = machine.ended()?;
    ensure!(ended.reason() == "still running", "it ended by {}", ended.reason());
    ended.holds(13, None, "measureroot: failed")
}
