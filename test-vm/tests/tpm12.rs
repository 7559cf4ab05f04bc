//! A TPM 1.2: it is extended and marked like a TPM 2.0, in its only bank, and its logs lead to its values. `measureroot doctor` names it.

use std::fmt::Write;
use std::fs;
use std::time::Duration;
use test_vm::doctor::{self, Findings};
use test_vm::scratch::Scratch;
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED, UNMEASURED};
use test_vm::{
    Bank, Guest, Image, LyingDisk, Prediction, Result, RootFs, Step, StoppedVm, Uncompressed, Vm, ensure, image, tool,
};

/// The logs of the boot; the log with the firmware's events is the second one.
const LOGS: [&str; 3] =
    ["/run/measureroot/eventlog.bin", "/run/measureroot/binary_bios_measurements", "/run/log/systemd/tpm2-measure.log"];

/// The small squashfs, and a machine with a TPM 1.2 that has it as its disk.
fn machine(parameters: &str) -> Result<(Vm, Image)> {
    let image = Image::small(RootFs::Squashfs)?;
    Ok((Vm::new(parameters).tpm_12().disk(&image), image))
}

/// The same machine with an image that has the doctor.
fn machine_with_doctor(parameters: &str) -> Result<(Vm, Image)> {
    let image = doctor::image()?;
    Ok((Vm::new(parameters).tpm_12().disk(&image), image))
}

/// What the doctor finds in the guest, with these faults beside what a machine with a TPM 1.2 and without UEFI lacks.
fn found(guest: &mut Guest, faults: &[&str]) -> Result<Findings> {
    doctor::mount(guest)?;
    let found = Findings::of(guest)?;
    found.worse_are(&[&["tpm-12", "agent-not-measured"], faults].concat())?;
    Ok(found)
}

/// The prediction in the only bank.
fn predicted(image: &Image, options: &[&str]) -> Result<Prediction> {
    Prediction::with(image.path(), &[&["--bank", "sha1"], options].concat())
}

/// Checks that `log` leads to these PCRs of the TPM, and returns the events as `measureroot replay` shows them.
fn replayed(vm: &StoppedVm, log: &[u8], pcrs: &[u8]) -> Result<String> {
    let scratch = Scratch::new()?;
    let mut held = "  sha1:\n".to_owned();
    for &pcr in pcrs {
        writeln!(held, "    {pcr}: 0x{}", vm.pcrs(pcr)?[&Bank::Sha1])?;
    }
    fs::write(scratch.path("log"), log)?;
    fs::write(scratch.path("pcrs"), held)?;
    let mut replay = tool::measureroot(Duration::from_secs(60))?;
    tool::finish(replay.arg("replay").arg(scratch.path("log")).arg("--pcrs").arg(scratch.path("pcrs")))
}

/// Copies the logs out of the guest, switches it off, and checks that each log leads to the values in the TPM and has `event`.
fn ends_with_logs(mut guest: Guest, pcr: u8, event: &str) -> Result<StoppedVm> {
    let logs = LOGS.map(|path| guest.bytes(path));
    let vm = guest.power_off()?;
    let [own, whole, systemd] = logs;
    let (own, whole, systemd) = (own?.content, whole?.content, systemd?.content);
    // PCR 10 is missing: Linux's IMA extends it, and has its own log.
    let all: Vec<u8> = (0..24).filter(|pcr| *pcr != 10 && !(17..=22).contains(pcr)).collect();
    for (log, pcrs) in [(&own, &[pcr][..]), (&whole, &all), (&systemd, &[pcr])] {
        let said = replayed(&vm, log, pcrs)?;
        ensure!(said.contains(event), "{event} is not in the log:\n{said}");
    }
    // The older form: no header, the PCR of the first event, EV_EVENT_TAG; and behind the events of SeaBIOS the same bytes.
    ensure!(own.starts_with(&[pcr, 0, 0, 0, 6, 0, 0, 0]), "{:?}", &own[..8]);
    ensure!(whole.len() > own.len() && whole.ends_with(&own), "{} and {} bytes", whole.len(), own.len());
    Ok(vm)
}

#[test]
fn a_boot_is_measured_into_a_tpm_1_2() -> Result<()> {
    let (vm, image) = machine_with_doctor("root=/dev/vda")?;
    let (mut guest, predicted) = (vm.boots()?, predicted(&image, &[])?);
    guest.agrees(&predicted)?;
    let status: serde_json::Value = serde_json::from_str(&guest.read("/run/measureroot/status.json")?)?;
    assert_eq!((&status["tpms"], &status["session"]), (&serde_json::json!(["1.2"]), &"none".into()));
    found(&mut guest, &["boot-tpm-12"])?.say("boot-agrees", "")?;
    let vm = ends_with_logs(guest, DEFAULT_PCR, ": image, /dev/vda, ")?;
    assert_eq!(vm.pcrs(DEFAULT_PCR)?, predicted.after());
    // Without measureroot: H(zeros || sha1sum of the image).
    let by_hand = Bank::Sha1.extend(&Bank::Sha1.zeros(), &Bank::Sha1.of_file(image.path())?)?;
    assert_eq!(vm.pcrs(DEFAULT_PCR)?[&Bank::Sha1], by_hand);
    vm.says(&["/dev/tpm0 is a TPM 1.2: its only bank is sha1"])?;
    vm.says(&["no HMAC session"])?;
    vm.says(&["measured into PCR 13 of a TPM 1.2 in", &predicted.banks[&Bank::Sha1].digest])
}

/// meta-measured runs `sha1sum | awk | tr -d '\n' | tpm_extendpcr` with PCR 9.
#[test]
fn the_value_of_meta_measured_is_that_of_its_own_tpm() -> Result<()> {
    let (vm, image) = machine_with_doctor("root=/dev/vda rootimgpcr=9 measureroot.format=meta-measured")?;
    let mut guest = vm.boots()?;
    found(&mut guest, &["boot-pcr13-free", "boot-tpm-12"])?.say("boot-agrees", "PCR 9")?;
    let vm = ends_with_logs(guest, 9, ": image, /dev/vda, ")?;
    let digits = Bank::Sha1.of_file(image.path())?;
    let by_hand = Bank::Sha1.extend(&Bank::Sha1.zeros(), &Bank::Sha1.of(digits.as_bytes())?)?;
    assert_eq!(vm.pcrs(9)?[&Bank::Sha1], by_hand);
    let predicted = predicted(&image, &["--image-format", "meta-measured", "--pcr", "9"])?;
    assert_eq!(vm.pcrs(9)?, predicted.after());
    vm.holds_nothing(DEFAULT_PCR)
}

#[test]
fn a_boot_that_fails_marks_a_tpm_1_2() -> Result<()> {
    let failed = machine("root=/dev/vda rootfstype=erofs")?.0.fails()?;
    failed.at(Step::FindImage, "/dev/vda")
}

/// The thread that waits for the disk holds the TPM's device, which nobody can open a second time.
#[test]
fn a_tpm_1_2_is_marked_while_a_thread_of_the_boot_hangs() -> Result<()> {
    const PART: &str = "the bytes at which the disk falls silent";
    let image = Image::uncompressed(Uncompressed::Squashfs, &image::between_fillers(PART, 1024))?;
    let mut disk = LyingDisk::falling_silent_at(&image, PART)?;
    let vm = Vm::new("root=/dev/vda measureroot.timeout=15").tpm_12().lying_disk(&disk);
    let mut machine = vm.start()?;
    machine.says("did not answer in 15 s")?;
    machine.says(&format!("PCR {DEFAULT_PCR} extended with the digest of"))?;
    disk.breaks();
    machine.failed()?.at(Step::HashImage, "/dev/vda")
}

#[test]
fn an_unmeasured_boot_marks_a_tpm_1_2() -> Result<()> {
    let (vm, _image) = machine_with_doctor("root=/dev/vda measureroot=off")?;
    let mut guest = vm.boots()?;
    found(&mut guest, &["command-line-unmeasured", "boot-unmeasured"])?;
    let vm = ends_with_logs(guest, DEFAULT_PCR, ": the text \"measureroot: unmeasured\"")?;
    vm.holds(DEFAULT_PCR, None, UNMEASURED)
}

#[test]
fn a_tpm_1_2_that_is_not_accepted_fails_the_boot_and_is_marked() -> Result<()> {
    for (parameter, object, cause) in [
        (
            "measureroot.tpm=2.0",
            "/dev/tpm0",
            "is a TPM 1.2, and no TPM 2.0 appeared in 2 s (the command line says measureroot.tpm=2.0)",
        ),
        ("measureroot.session=hmac", "session", "a TPM 1.2 has none that protects an extend"),
    ] {
        let failed = machine("root=/dev/vda measureroot.timeout=2")?.0.with(parameter).fails()?;
        failed.because(&[cause])?;
        failed.at(Step::WaitForDevices, object)?;
        failed.vm.holds(DEFAULT_PCR, None, FAILED)?;
    }
    Ok(())
}
