//! A disk that fails at each read of the boot in turn: it refuses reads, cuts its answer short, ends early, is gone, is pulled out, or
//! changes its size. The boot fails closed, or it does not need what is lost, and its root is measured. lying_disk.rs has the disks that
//! do not answer.
//!
//! A boot takes seconds, so this tries some of the reads. `MEASUREROOT_FAULTS=all` tries all of them, and `MEASUREROOT_FAULTS=N` N cells.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;
use test_vm::machine::Ended;
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{DiskFault, Image, LyingDisk, Prediction, Result, RootFs, SealChoice, Step, Vm, ensure};

/// How many boots are tried if nothing else is asked for: two with each fault.
const BOOTS: usize = 2 * DiskFault::ALL.len();
/// The steps that read the disk. The driver reads it, too: it looks for partitions.
const STEPS: [Step; 6] =
    [Step::LoadModules, Step::WaitForDevices, Step::FindImage, Step::HashImage, Step::MountImage, Step::StartInit];
/// A driver that hangs has 30 s, and the mark after it 120 s (`src/sys/modules.rs`, `src/boot/power.rs`).
const LONGEST: Duration = Duration::from_secs(200);
/// No boot has so many reads.
const NEVER: usize = usize::MAX;

/// A boot from a disk that fails.
#[derive(Clone, Copy, Debug)]
struct Cell {
    fault: DiskFault,
    /// The number of the read.
    nth: usize,
    seal: SealChoice,
}

impl Cell {
    /// All cells, one with each fault after the other.
    fn all(reads: &BTreeMap<DiskFault, usize>) -> Vec<Self> {
        let most = reads.values().copied().max().unwrap_or_default();
        let cells = (0..most).flat_map(|nth| DiskFault::ALL.map(|fault| (fault, nth)));
        let cells = cells.filter(|(fault, nth)| *nth < reads[fault]).enumerate();
        cells.map(|(place, (fault, nth))| Self { fault, nth, seal: SealChoice::ALL[place % 3] }).collect()
    }

    /// This many of them: the faults in turn, from the first read to the last.
    fn some(reads: &BTreeMap<DiskFault, usize>, count: usize) -> Vec<Self> {
        let cell = |place: usize| {
            let fault = DiskFault::ALL[place % DiskFault::ALL.len()];
            Self { fault, nth: place * reads[&fault] / count, seal: SealChoice::ALL[place % 3] }
        };
        (0..count).map(cell).collect()
    }

    /// Boots. Returns the number of reads, too.
    fn boot(self, image: &Image) -> Result<(Ended, usize)> {
        let disk = LyingDisk::failing_at(image, self.nth, self.fault)?;
        let line = format!("root={} measureroot.timeout=10", self.fault.node());
        let machine = Vm::new(&line).seal(self.seal).lying_disk(&disk).memory(256).limit(LONGEST).start()?;
        machine.lets_fail(&disk)?;
        Ok((machine.ends()?, disk.reads()))
    }
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
            ensure!(STEPS.iter().any(|step| step.name() == failure.step), "this step reads no disk: {failure:?}");
            let measured = vm.holds(DEFAULT_PCR, Some(&predicted.after()), FAILED);
            measured.or_else(|_| vm.holds(DEFAULT_PCR, None, FAILED))?;
            return Ok(failure.step.clone());
        }
        more => return Err(format!("{more:?}").into()),
    }
    Ok("booted".into())
}

/// How many reads a boot has from the disk that can have this fault.
fn reads(image: &Image, fault: DiskFault) -> Result<usize> {
    let (ended, reads) = Cell { fault, nth: NEVER, seal: SealChoice::None }.boot(image)?;
    ensure!(ended.has_booted, "the boot without a fault fails: {fault:?}: {:?}", ended.failures);
    Ok(reads)
}

#[test]
fn a_disk_that_fails_at_any_read_fails_the_boot_or_leaves_it_measured() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let predicted = Prediction::of(image.path())?;
    let [plain, resizable, scsi] =
        [DiskFault::Gone, DiskFault::Grows, DiskFault::Unplugged].map(|fault| reads(&image, fault));
    let (plain, resizable, scsi) = (plain?, resizable?, scsi?);
    let reads: BTreeMap<_, _> = DiskFault::ALL
        .map(|fault| match fault {
            DiskFault::Shrinks | DiskFault::Grows => (fault, resizable),
            DiskFault::Unplugged => (fault, scsi),
            _ => (fault, plain),
        })
        .into();
    let cells = match std::env::var("MEASUREROOT_FAULTS").as_deref() {
        Ok("all") => Cell::all(&reads),
        Ok(count) => Cell::some(&reads, count.parse()?),
        Err(_) => Cell::some(&reads, BOOTS),
    };
    let (mut ends, mut wrong) = (BTreeMap::<_, usize>::new(), Vec::new());
    for cell in &cells {
        match cell.boot(&image).and_then(|(ended, _)| end(&ended, &predicted)) {
            Ok(end) => *ends.entry((format!("{:?}", cell.fault), end)).or_default() += 1,
            Err(cause) => wrong.push(format!("{cell:?} of {} reads: {cause}", reads[&cell.fault])),
        }
    }
    let lines = ends.iter().map(|((fault, end), count)| format!("{count:>4} {fault:<12}{end}\n"));
    let boots =
        format!("{} boots; {plain} reads each, {resizable} if the size can change, {scsi} by SCSI\n", cells.len());
    std::io::stdout().write_all(format!("{boots}{}", lines.collect::<String>()).as_bytes())?;
    for fault in DiskFault::ALL.into_iter().filter(|fault| *fault != DiskFault::Grows) {
        let has_effect = ends.keys().any(|(name, end)| *name == format!("{fault:?}") && end != "booted");
        ensure!(has_effect || !wrong.is_empty(), "{fault:?} has no effect");
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
