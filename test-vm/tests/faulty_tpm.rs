//! Faults of a TPM, in whole boots: what tests/fault_matrix.rs finds with the agent's code alone holds for the agent on Linux, too.
//!
//! A boot takes seconds, so this tries a part of the matrix, in which every fault, command, session and seal occurs.
//! `MEASUREROOT_FAULTS=N` tries N cells, and `MEASUREROOT_FAULTS=all` all of them.

#[path = "../../tests/tpm_matrix/mod.rs"]
mod tpm_matrix;

use std::collections::BTreeMap;
use test_vm::faulty_tpm::{ChooseFault, Met};
use test_vm::machine::{Ended, Machine};
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{Bank, FaultyTpm, Image, Prediction, Result, RootFs, Vm, ensure};
use tpm_matrix::cell::{Cell, Due, Seal, Session};
use tpm_matrix::command::Command;
use tpm_matrix::fault::{Family, Fault};
use tpm_matrix::rule::{End, expected};
use tpm_matrix::sample::sample;
use tpm_matrix::table::Table;

/// How many cells are tried if nothing else is asked for.
const CELLS: usize = 16;
const CELLS_12: usize = 8;

/// The bank that is looked at.
fn bank(session: Session) -> Bank {
    if session == Session::Version12 { Bank::Sha1 } else { Bank::Sha256 }
}

/// Whether the agent's first command in such a boot is this one. Debian's 6.1 kernel creates no key, and asks for one bank when it asks
/// for the banks (Linux, drivers/char/tpm/tpm2-cmd.c, `tpm2_get_pcr_allocation`); the agent asks for 16.
fn begins(session: Session) -> fn(&[u8]) -> bool {
    match session {
        Session::Hmac => |command| command.get(6..10) == Some(&[0, 0, 0x01, 0x31]),
        // The kernel asks a TPM 1.2 for other properties than the count of its PCRs.
        Session::Version12 => |command| {
            command.get(6..10) == Some(&[0, 0, 0, 0x65]) && command.ends_with(&[0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 1, 1])
        },
        Session::None => |command| {
            command.get(6..10) == Some(&[0, 0, 0x01, 0x7a]) && command.ends_with(&[0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 16])
        },
    }
}

/// The fault of a cell, once its command comes.
fn fault(cell: Option<Cell>) -> ChooseFault {
    let mut due = Due::of(cell);
    Box::new(move |nth, code| {
        let Cell { session, fault, has_run, .. } = due.at(nth, code)?;
        Some(match fault {
            Fault::Silence => Met::Silent { has_run },
            Fault::Gone => Met::Gone { has_run },
            _ => Met::Answered {
                has_run,
                spoil: Box::new(move |right, other| fault.answer(session, right, other).unwrap_or_default()),
            },
        })
    })
}

/// The image, and what a PCR can hold in a bank after its measurement and after marks of a failure.
struct Values {
    image: Image,
    bank: Bank,
    measured: String,
    /// Each value with the mark, or with the mark more than once.
    marked: Vec<String>,
}

impl Values {
    fn new(bank: Bank) -> Result<Self> {
        let image = Image::small(RootFs::Squashfs)?;
        let predicted = &Prediction::of(image.path())?.banks[&bank];
        let (zeros, measured, failed) = (bank.zeros(), predicted.after.clone(), bank.of(FAILED.as_bytes())?);
        let mut marked = Vec::new();
        for mut value in [zeros, measured.clone(), bank.extend(&measured, &predicted.digest)?] {
            for _ in 0..3 {
                value = bank.extend(&value, &failed)?;
                marked.push(value.clone());
            }
        }
        Ok(Self { image, bank, measured, marked })
    }

    /// Boots. Returns the codes of the agent's commands, too.
    fn boot(&self, session: Session, seal: Seal, cell: Option<Cell>) -> Result<(Ended, Vec<u32>)> {
        let vm = Vm::new("root=/dev/vda measureroot.timeout=10").disk(&self.image);
        let vm = if session == Session::Version12 { vm.tpm_12() } else { vm.banks(&[self.bank]) };
        let vm = vm.with(session.parameter()).with(seal.parameter()).memory(256);
        let mut bus = None;
        let machine = Machine::start_through(&vm, |tpm| {
            let faulty = bus.insert(FaultyTpm::before(tpm, begins(session), fault(cell))?);
            Ok(faulty.control())
        })?;
        // The kernel's driver may hold up the power-off for minutes, if the agent has not waited for it.
        let ended = machine.ends_or_says("the mark of the failure takes more than 3 s")?;
        Ok((ended, bus.ok_or("no TPM")?.codes()))
    }

    /// The end of a boot, if the TPM holds what it must then.
    fn end(&self, cell: &Cell, Ended { has_booted, failures, vm }: &Ended) -> Result<End> {
        let held = if cell.fault == Fault::Gone { None } else { Some(vm.pcrs(DEFAULT_PCR)?[&self.bank].clone()) };
        let is_prediction = held.as_ref() == Some(&self.measured);
        let is_marked = held.as_ref().is_some_and(|held| self.marked.contains(held));
        let step = |name: &str| cell_steps().get(name).copied().ok_or_else(|| format!("failed at {name:?}"));
        Ok(match failures.as_slice() {
            [] => {
                let said = || vm.console().join("\n");
                let has_begun = vm.console().iter().any(|line| line.contains("measureroot: "));
                ensure!(has_begun, "no fault of the agent: {} before it began:\n{}", vm.reason(), said());
                ensure!(*has_booted && is_prediction, "{has_booted}, {}, PCR {held:?}:\n{}", vm.reason(), said());
                End::Measured
            }
            [failure] => {
                ensure!(!has_booted, "the root runs after a failure");
                // A TPM that is lost can keep the prediction: nothing runs, and a restart resets it.
                ensure!(
                    !is_prediction || cell.fault.family() == Family::Lost,
                    "the PCR is the prediction after a failure"
                );
                if is_marked { End::Marked(step(&failure.step)?) } else { End::NoTpmLeft(step(&failure.step)?) }
            }
            more => return Err(format!("{more:?}").into()),
        })
    }
}

/// The steps that send commands to the TPM, by their names.
fn cell_steps() -> BTreeMap<&'static str, &'static str> {
    [Command::CreatePrimary, Command::GetCapability, Command::Extend]
        .map(|command| (command.step(), command.step()))
        .into()
}

/// Boots with a part of the cells of these sessions.
fn try_some(sessions: &[Session], usual: usize) -> Result<()> {
    let values = Values::new(bank(sessions[0]))?;
    let mut cells = Vec::new();
    for &session in sessions {
        let (ended, codes) = values.boot(session, Seal::Verity, None)?;
        ensure!(ended.has_booted, "the boot without a fault fails: {:?}", ended.failures);
        let commands = Command::of_boot(&codes).ok_or_else(|| format!("an unknown command: {codes:x?}"))?;
        cells.extend(Cell::all(session, &commands));
    }
    let count = match std::env::var("MEASUREROOT_FAULTS").as_deref() {
        Ok("all") => usize::MAX,
        Ok(count) => count.parse()?,
        Err(_) => usual,
    };
    // A TPM that stays busy takes minutes: the kernel sends a command again, too.
    cells.retain(|cell| cell.passes_qemu() && (count == usize::MAX || !cell.waits() || cell.fault == Fault::Silence));
    let (mut table, mut wrong) = (Table::default(), Vec::new());
    for cell in sample(&cells, count) {
        let end = values.boot(cell.session, cell.seal, Some(cell)).and_then(|(ended, _)| values.end(&cell, &ended));
        match end {
            Ok(end) if end == expected(&cell) => table.add(&cell, end),
            end => wrong.push(format!("{cell:?}: {end:?}, not {:?}", expected(&cell))),
        }
    }
    table.print();
    ensure!(wrong.is_empty(), "{} cells end otherwise:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn faults_of_a_tpm_end_in_a_boot_as_they_do_without_one() -> Result<()> {
    try_some(&Session::VERSION_2, CELLS)
}

#[test]
fn faults_of_a_tpm_1_2_end_in_a_boot_as_they_do_without_one() -> Result<()> {
    try_some(&[Session::Version12], CELLS_12)
}
