//! What is measured: all bytes of the image, once, into one PCR, in every bank.

use std::time::Duration;
use test_vm::stopped_vm::{DEFAULT_PCR, UNMEASURED};
use test_vm::{Bank, Image, Prediction, Result, RootFs, Step, Vm, ensure, image, predict, tool};

/// The small squashfs, and a machine that has it as its disk.
fn machine(parameters: &str) -> Result<(Vm, Image)> {
    let image = Image::small(RootFs::Squashfs)?;
    Ok((Vm::new(parameters).disk(&image), image))
}

#[test]
fn digests_and_pcrs_are_those_that_coreutils_compute() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    vm.boots()?.ends_measured(&image)?;
    let predicted = Prediction::of(image.path())?.banks;
    assert_eq!(predicted.len(), Bank::ALL.len());
    for (bank, measured) in predicted {
        assert_eq!(measured.digest, bank.of_file(image.path())?);
        assert_eq!(measured.after, bank.extend(&bank.zeros(), &measured.digest)?);
    }
    Ok(())
}

#[test]
fn tpm2_pcrread_shows_the_predicted_values() -> Result<()> {
    let image = Image::small(RootFs::Erofs)?;
    let vm = Vm::new("root=/dev/vda").disk(&image).boots()?.ends_measured(&image)?;
    let mut read = tool::limited(Duration::from_secs(30), "tpm2_pcrread");
    read.args(["-T", &vm.tpm()?.tcti(env!("CARGO_BIN_EXE_tpm-relay")), "sha1:13+sha256:13+sha384:13+sha512:13"]);
    let shown = predict::read_pcrs(&tool::finish(&mut read)?, DEFAULT_PCR)?;
    assert_eq!(shown, Prediction::of(image.path())?.after());
    Ok(())
}

#[test]
fn each_interface_of_a_tpm_works_with_one_to_four_processors() -> Result<()> {
    for (processors, online, is_crb) in [(1, "0", true), (2, "0-1", false), (4, "0-3", true)] {
        let (vm, image) = machine("root=/dev/vda")?;
        let vm = if is_crb { vm.tpm_crb() } else { vm };
        let mut guest = vm.processors(processors).boots()?;
        ensure!(guest.read("/sys/devices/system/cpu/online")? == online, "not {processors} processors");
        // Linux, drivers/char/tpm/tpm_crb.c: the driver of ACPI's device with CRB.
        let driven = guest.list("/sys/bus/acpi/drivers/tpm_crb")?;
        ensure!(driven.iter().any(|name| name.starts_with("MSFT0101")) == is_crb, "{driven:?}, CRB: {is_crb}");
        guest.ends_measured(&image)?;
    }
    Ok(())
}

/// With `noxsave`, the kernel does not let programs use AVX, although the processor says that it has it.
#[test]
fn a_processor_without_instructions_for_hashes_measures_the_same() -> Result<()> {
    for (parameters, lacking, flag) in
        [("root=/dev/vda", "sha-ni", "sha_ni"), ("root=/dev/vda noxsave", "sha-ni", "avx2")]
    {
        let (vm, image) = machine(parameters)?;
        let mut guest = vm.lacking(lacking).boots()?;
        let said = guest.read("/proc/cpuinfo")?;
        ensure!(said.split_whitespace().any(|word| word == "sse2"), "these are no flags: {said}");
        ensure!(!said.split_whitespace().any(|word| word == flag), "the processor has {flag}");
        guest.ends_measured(&image)?;
    }
    Ok(())
}

/// meta-measured runs `sha1sum | awk | tr -d '\n' | tpm_extendpcr`. The PCR's value is the same.
#[test]
fn an_image_can_be_measured_in_the_format_of_meta_measured() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda measureroot rootimgpcr=9 measureroot.format=meta-measured")?;
    let predicted = Prediction::with(image.path(), &["--image-format", "meta-measured", "--pcr", "9"])?;
    for (bank, measured) in &predicted.banks {
        assert_eq!(measured.digest, bank.of(bank.of_file(image.path())?.as_bytes())?);
    }
    let mut guest = vm.boots()?;
    assert_eq!(guest.status()?.image.format.as_deref(), Some("meta-measured"));
    guest.ends_as(&predicted)?.holds_nothing(DEFAULT_PCR)
}

#[test]
fn one_flipped_bit_of_the_image_changes_the_pcr_in_every_bank() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let flipped = image.flipped(image::SQUASHFS_TIME)?;
    let vm = Vm::new("root=/dev/vda").disk(&flipped).boots()?.ends_measured(&flipped)?;
    let held = vm.pcrs(DEFAULT_PCR)?;
    let expected = Prediction::of(image.path())?.after();
    assert_eq!(held.len(), expected.len());
    ensure!(held.iter().all(|(bank, value)| expected[bank] != *value), "a bank of {held:?} did not change");
    Ok(())
}

#[test]
fn a_second_boot_of_the_same_machine_measures_the_same() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.boots()?;
    let first = guest.measured(&image)?;
    let mut guest = guest.reboot()?;
    assert_eq!(guest.measured(&image)?, first);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_tpm_with_fewer_banks_is_extended_in_all_of_them() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.banks(&[Bank::Sha1, Bank::Sha384]).boots()?;
    let predicted = Prediction::with(image.path(), &["--bank", "sha1", "--bank", "sha384"])?;
    assert_eq!(guest.status()?.banks, predicted.banks);
    assert_eq!(guest.power_off()?.pcrs(DEFAULT_PCR)?, predicted.after());
    Ok(())
}

#[test]
fn the_command_line_can_name_another_pcr() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda rootimgpcr=15")?;
    let mut guest = vm.boots()?;
    assert_eq!(guest.status()?.pcr, 15);
    let vm = guest.power_off()?;
    assert_eq!(vm.pcrs(15)?, Prediction::with(image.path(), &["--pcr", "15"])?.after());
    vm.holds_nothing(DEFAULT_PCR)
}

#[test]
fn an_unmeasured_boot_extends_a_mark_and_says_so() -> Result<()> {
    let mut guest = machine("root=/dev/vda measureroot=off")?.0.boots()?;
    let status: serde_json::Value = serde_json::from_str(&guest.read("/run/measureroot/status.json")?)?;
    assert_eq!(status["measured"], false);
    let vm = guest.power_off()?;
    vm.says(&["IS NOT MEASURED"])?;
    vm.holds(DEFAULT_PCR, None, UNMEASURED)
}

#[test]
fn an_unmeasured_boot_needs_no_tpm() -> Result<()> {
    machine("root=/dev/vda measureroot=off")?.0.banks(&[]).boots()?.power_off().map(drop)
}

#[test]
fn an_unmeasured_boot_fails_if_the_command_line_hides_the_tpm() -> Result<()> {
    // The driver of the TPM is built into this kernel.
    let hidden = "root=/dev/vda measureroot=off measureroot.timeout=1 initcall_blacklist=init_tis";
    let failed = machine(hidden)?.0.fails()?;
    failed.because(&["the firmware names one, but none appeared in 30 s"])?;
    failed.at_step(Step::WaitForDevices, "TPM")
}

#[test]
fn an_unmeasured_boot_fails_if_the_command_line_hides_the_firmware_s_tables() -> Result<()> {
    // Without ACPI the kernel cannot switch the machine off.
    let failed = machine("")?.0.cmdline("console=ttyS0 panic=1 root=/dev/vda measureroot=off acpi=off").fails()?;
    failed.because(&["neither ACPI's tables nor a device tree"])?;
    assert_eq!((failed.failure.step.as_str(), failed.vm.reason()), ("wait for devices", "guest-reset"));
    Ok(())
}

#[test]
fn an_unmeasured_boot_marks_the_default_pcr_too() -> Result<()> {
    let vm = machine("root=/dev/vda measureroot=off rootimgpcr=14")?.0.boots()?.power_off()?;
    vm.holds(14, None, UNMEASURED)?;
    vm.holds(DEFAULT_PCR, None, UNMEASURED)
}

#[test]
fn a_prediction_can_start_from_an_earlier_value_of_the_pcr() -> Result<()> {
    let before = Bank::Sha256.of(b"measured earlier")?;
    let image = Image::small(RootFs::Squashfs)?;
    let predicted = Prediction::with(image.path(), &["--bank", "sha256", "--before", &before])?;
    let measured = &predicted.banks[&Bank::Sha256];
    assert_eq!(measured.after, Bank::Sha256.extend(&before, &measured.digest)?);
    Ok(())
}

#[test]
fn a_prediction_without_an_image_fails_and_names_it() -> Result<()> {
    let said = tool::measureroot(Duration::from_secs(60))?.args(["predict", "no/such/image"]).output()?;
    ensure!(!said.status.success(), "it succeeded");
    ensure!(String::from_utf8_lossy(&said.stderr).contains("no/such/image"), "{said:?}");
    Ok(())
}
