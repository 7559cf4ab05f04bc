//! The RTMRs of a confidential machine, which the kernel's own sample emulates: beside a TPM and without one, each boot ends in them as
//! it does in a PCR.

use std::fs;
use std::path::Path;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::status::MeasuredRtmr;
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED, UNMEASURED};
use test_vm::{Bank, Guest, Image, Kernel, Prediction, Result, RootFs, Step, Vm, bank, ensure, tool};

const RTMR: u8 = 2;
const BANK: Bank = Bank::Sha384;
const FOLDER: &str = "/run/measureroot";

/// A TDX guest with a small squashfs as its disk.
fn machine(parameters: &str) -> Result<(Vm, Image)> {
    let image = Image::small(RootFs::Squashfs)?;
    Ok((Vm::new(parameters).kernel(Kernel::Rtmr).disk(&image), image))
}

/// What `predict --rtmr` says of the image.
fn predicted(image: &Image) -> Result<MeasuredRtmr> {
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    predict.args(["predict", "--rtmr", "--json"]).arg(image.path());
    Ok(serde_json::from_str(&tool::finish(&mut predict)?)?)
}

/// The value of an RTMR that held `before`, after it was extended with this text.
fn marked(before: &str, text: &str) -> Result<String> {
    BANK.extend(before, &BANK.of(text.as_bytes())?)
}

/// Checks that `status.json` and the register agree with the prediction, and returns that.
fn is_measured(guest: &mut Guest, image: &Image) -> Result<MeasuredRtmr> {
    let (predicted, status) = (predicted(image)?, guest.status()?);
    ensure!(status.measured && status.rtmrs == [predicted.clone()], "{status:?} is not {predicted:?}");
    let held = guest.rtmr(RTMR)?;
    ensure!(held == predicted.measured.after, "RTMR {RTMR} is {held}, not {predicted:?}");
    Ok(predicted)
}

/// Replays the log, which must lead to the value that the register has, and to no other.
fn replays(log: &[u8], value: &str) -> Result<String> {
    let scratch = Scratch::new()?;
    let path = scratch.path("ccel.bin");
    fs::write(&path, log)?;
    let file = scratch.path("rtmr2:sha384");
    let replay = |held: &[u8]| {
        fs::write(&file, held)?;
        let mut replay = tool::measureroot(Duration::from_secs(60))?;
        let folder = format!("--rtmrs={}", scratch.folder().display());
        Ok::<_, test_vm::Error>(replay.arg("replay").arg(folder).arg(&path).output()?)
    };
    let mut held = bank::bytes(value)?;
    let right = replay(&held)?;
    let printed = tool::printed(&right)?;
    ensure!(printed.lines().any(|line| line == format!("rtmr2:sha384 {value}")), "{printed}");
    held[47] ^= 1;
    let wrong = replay(&held)?;
    ensure!(wrong.status.code() == Some(1), "a log leads to a value that it does not lead to: {wrong:?}");
    Ok(printed)
}

/// Checks that the memory of the machine has this value: its kernel has computed it.
fn has_computed(memory: &[u8], value: &str) -> Result<()> {
    let value = bank::bytes(value)?;
    ensure!(memory.windows(value.len()).any(|bytes| bytes == value), "no RTMR has become {}", bank::hex(&value));
    Ok(())
}

#[test]
fn an_image_is_measured_into_the_tpm_and_the_rtmr() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.boots()?;
    let predicted = is_measured(&mut guest, &image)?;
    ensure!(predicted.measured.digest == BANK.of_file(image.path())?, "{predicted:?}");
    ensure!(predicted.measured.after == BANK.extend(&BANK.zeros(), &predicted.measured.digest)?, "{predicted:?}");
    let log = guest.bytes(Path::new(FOLDER).join("ccel.bin"))?;
    ensure!(log.mode == 0o600, "ccel.bin has the mode {:o}", log.mode);
    let events = replays(&log.content, &predicted.measured.after)?;
    ensure!(events.starts_with("# event 1, RTMR 2, ") && events.contains("/dev/vda"), "{events}");
    // The logs of the TPM are as without an RTMR.
    guest.ends_measured(&image)?.says(&["measured into PCR 13 and RTMR 2 in "])
}

#[test]
fn without_a_tpm_an_image_is_measured_into_the_rtmr_alone() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda")?;
    let mut guest = vm.banks(&[]).boots()?;
    let predicted = is_measured(&mut guest, &image)?;
    let status = guest.status()?;
    ensure!(status.banks.is_empty() && status.session.is_none(), "{status:?}");
    let mut files = guest.list(FOLDER)?;
    files.sort_unstable();
    ensure!(files == ["ccel.bin", "status.json"], "{files:?}");
    let log = guest.bytes(Path::new(FOLDER).join("ccel.bin"))?;
    replays(&log.content, &predicted.measured.after)?;
    guest.power_off()?.says(&["measured into RTMR 2 in "])
}

#[test]
fn a_failed_boot_marks_the_tpm_and_the_rtmr() -> Result<()> {
    let (vm, image) = machine("root=/dev/vda init=/none")?;
    let mut machine = vm.start()?;
    let memory = machine.memory_at_end()?;
    let failed = machine.failed()?;
    failed.at_step(Step::StartInit, "/none")?;
    let predicted = Prediction::of(image.path())?;
    failed.vm.holds(DEFAULT_PCR, Some(&predicted.after()), FAILED)?;
    failed.vm.says(&["RTMR 2 extended with the digest of \"measureroot: failed\""])?;
    has_computed(&memory, &marked(&predicted.banks[&BANK].after, FAILED)?)
}

#[test]
fn an_unmeasured_boot_marks_the_tpm_and_the_rtmr() -> Result<()> {
    let (vm, _) = machine("root=/dev/vda measureroot=off")?;
    let mut guest = vm.boots()?;
    let (status, value) = (guest.status()?, marked(&BANK.zeros(), UNMEASURED)?);
    ensure!(!status.measured && status.rtmrs.len() == 1 && guest.rtmr(RTMR)? == value, "{status:?}");
    let log = guest.bytes(Path::new(FOLDER).join("ccel.bin"))?;
    replays(&log.content, &value)?;
    guest.power_off()?.holds(DEFAULT_PCR, None, UNMEASURED)
}

/// ACPI's table CCEL with the log of a TDX guest at this address (UEFI 2.10, section 38.4.2).
fn ccel_table(address: u64, length: u64) -> Vec<u8> {
    let mut table = b"CCEL".to_vec();
    table.extend(56u32.to_le_bytes());
    table.extend([1, 0]);
    table.extend(b"TESTERTESTTEST\0\0\0\0TEST\0\0\0\0");
    table.truncate(36);
    table.extend([2, 0, 0, 0]);
    table.extend(length.to_le_bytes());
    table.extend(address.to_le_bytes());
    table[9] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// The log of a TDX guest's firmware: the header, and an event of RTMR 0.
fn firmware_log() -> Result<Vec<u8>> {
    let mut log = 1u32.to_le_bytes().to_vec();
    log.extend(3u32.to_le_bytes());
    log.extend([0; 20]);
    let header = [&b"Spec ID Event03\0"[..], &[0, 0, 0, 0, 0, 2, 105, 2, 1, 0, 0, 0, 0xC, 0, 48, 0, 0]].concat();
    log.extend(u32::try_from(header.len())?.to_le_bytes());
    log.extend(header);
    // EV_EFI_ACTION.
    for number in [1u32, 0x8000_0007, 1] {
        log.extend(number.to_le_bytes());
    }
    log.extend([0xC, 0]);
    log.extend(bank::bytes(&BANK.of(b"firmware")?)?);
    log.extend(8u32.to_le_bytes());
    log.extend(b"firmware");
    Ok(log)
}

#[test]
fn the_firmwares_events_stand_in_front_and_a_tdx_guest_without_registers_does_not_boot() -> Result<()> {
    const ADDRESS: u64 = 0x1000_0000;
    let (vm, image) = machine("root=/dev/vda memmap=64K$0x10000000")?;
    let (scratch, log) = (Scratch::new()?, firmware_log()?);
    let area = [&log[..], &vec![0xFF; 0x1_0000 - log.len()]].concat();
    fs::write(scratch.path("log"), &area)?;
    fs::write(scratch.path("table"), ccel_table(ADDRESS, area.len() as u64))?;
    let vm = vm.acpi_table(scratch.path("table")).preloaded(ADDRESS, scratch.path("log"));
    let mut guest = vm.boots()?;
    let predicted = is_measured(&mut guest, &image)?;
    let whole = guest.bytes(Path::new(FOLDER).join("ccel.bin"))?.content;
    ensure!(whole.starts_with(&log) && whole.len() > log.len() && whole.len() < 2048, "{} bytes", whole.len());
    guest.power_off()?;
    let scratch = Scratch::new()?;
    fs::write(scratch.path("ccel.bin"), whole)?;
    let mut replay = tool::measureroot(Duration::from_secs(60))?;
    let printed = tool::finish(replay.arg("replay").arg(scratch.path("ccel.bin")))?;
    let firmware = marked(&BANK.zeros(), "firmware")?;
    let ours = &predicted.measured.after;
    ensure!(printed.ends_with(&format!("rtmr0:sha384 {firmware}\nrtmr2:sha384 {ours}\n")), "{printed}");

    // The table says that this is a TDX guest, and the driver may not be loaded.
    let failed = vm.with("module_blacklist=tdx_guest").fails()?;
    failed.at(Step::WaitForDevices, "tdx_guest/measurements")?;
    failed.because(&["this machine is a TDX guest", "measureroot.rtmr=optional"])
}

#[test]
fn a_register_that_the_kernel_does_not_show_ends_the_boot() -> Result<()> {
    let (vm, _) = machine("root=/dev/vda measureroot.rtmr=3")?;
    vm.fails()?.at(Step::WaitForDevices, "RTMR 3")
}
