//! A disk that fails at each read of the boot in turn: it refuses the read, refuses every read from then on, or is gone. The boot fails
//! closed, or it does not need that read, and its root is measured. lying_disk.rs has the disks that do not answer.
//!
//! A boot takes seconds, so this tries some of the reads. `MEASUREROOT_FAULTS=all` tries all of them.

use std::collections::BTreeMap;
use std::io::Write;
use test_vm::machine::Ended;
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{DiskFault, Image, LyingDisk, Prediction, Result, RootFs, SealChoice, Vm, ensure};

/// How many boots are tried if nothing else is asked for.
const BOOTS: usize = 12;
const FAULTS: [DiskFault; 3] = [DiskFault::RefusesOne, DiskFault::RefusesAll, DiskFault::Gone];

fn boot(disk: &LyingDisk, seal: SealChoice) -> Result<Ended> {
    Vm::new("root=/dev/vda measureroot.timeout=10").seal(seal).lying_disk(disk).memory(256).start()?.ends()
}

/// What the boot ended in, if the TPM holds what it must then.
fn end(Ended { has_booted, failures, vm }: &Ended, predicted: &Prediction) -> Result<String> {
    let is_prediction = || Ok::<_, test_vm::Error>(vm.pcrs(DEFAULT_PCR)? == predicted.after());
    match failures.as_slice() {
        [] if *has_booted => ensure!(is_prediction()?, "the root booted unmeasured"),
        [] => {
            // The measured init runs, and cannot read its own bytes.
            vm.says(&["Attempted to kill init"])?;
            vm.says(&["measureroot: switch root"])?;
            ensure!(is_prediction()?, "an init started unmeasured");
            return Ok("the init".into());
        }
        [failure] => {
            ensure!(!has_booted, "the root runs after a failure");
            let measured = vm.holds(DEFAULT_PCR, Some(&predicted.after()), FAILED);
            measured.or_else(|_| vm.holds(DEFAULT_PCR, None, FAILED))?;
            return Ok(failure.step.clone());
        }
        more => return Err(format!("{more:?}").into()),
    }
    Ok("booted".into())
}

#[test]
fn a_disk_that_fails_at_any_read_fails_the_boot_or_leaves_it_measured() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let predicted = Prediction::of(image.path())?;
    let disk = LyingDisk::failing_at(&image, usize::MAX, DiskFault::Gone)?;
    ensure!(boot(&disk, SealChoice::None)?.has_booted, "the boot without a fault fails");
    let reads = disk.reads();
    let all = std::env::var("MEASUREROOT_FAULTS").is_ok_and(|part| part == "all");
    let boots = if all { reads * FAULTS.len() } else { BOOTS };
    let (mut ends, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    for boot_of in 0..boots {
        let (nth, fault) = (boot_of * reads / boots, FAULTS[boot_of % FAULTS.len()]);
        let seal = SealChoice::ALL[boot_of / FAULTS.len() % SealChoice::ALL.len()];
        let disk = LyingDisk::failing_at(&image, nth, fault)?;
        match boot(&disk, seal).and_then(|ended| end(&ended, &predicted)) {
            Ok(end) => *ends.entry((format!("{fault:?}"), end)).or_default() += 1,
            Err(cause) => wrong.push(format!("{fault:?} at read {nth} of {reads}, {seal:?}: {cause}")),
        }
    }
    let lines = ends.iter().map(|((fault, end), count)| format!("{count:>4} {fault:<12}{end}\n"));
    std::io::stdout()
        .write_all(format!("{boots} boots, {reads} reads each\n{}", lines.collect::<String>()).as_bytes())?;
    ensure!(ends.keys().any(|(_, end)| end != "booted"), "no fault has an effect");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
