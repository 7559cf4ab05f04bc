//! The matrix of a TPM's faults: at each command of a boot, each fault, with each seal. The boot's sequence and the mark of a failure
//! are those of the agent, and the TPM is a software TPM.
//!
//! Without a variable of the environment, the cells of a TPM 1.2, and those that wait for the end of a time limit, are tried with one
//! seal each, so that every pair occurs. `MEASUREROOT_FAULTS=all` tries all cells.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;
mod tpm_matrix;

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use measureroot::internal::boot::Trial;
use measureroot::internal::hash::{Bank, Digest};
use measureroot::internal::measure::measurement;
use measureroot::internal::measure::{Pcrs, SessionChoice};
use measureroot::internal::tpm::{EsysPcrs, Version12};
use swtpm::Swtpm;
use swtpm::attacks::BANK;
use swtpm::faulty::{FaultyBus, Met, Seen};
use tpm_matrix::cell::{Cell, Due, Seal, Session};
use tpm_matrix::command::Command;
use tpm_matrix::fault::Fault;
use tpm_matrix::rule::{End, expected};
use tpm_matrix::table::Table;

/// TPM2_Startup(TPM_SU_CLEAR), and TPM_Startup(TPM_ST_CLEAR) (TPM 2.0 Library, Part 3, section 9.3; TPM Main, Part 3, section 3.2).
const STARTUP: &[u8] = &[0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0];
const STARTUP_12: &[u8] = &[0, 0xc1, 0, 0, 0, 12, 0, 0, 0, 0x99, 0, 1];
/// The bytes of the image: two blocks.
const IMAGE: [u8; 8192] = [7; 8192];
/// How many cells are tried at a time: most of the time of a cell that waits is spent asleep.
const AT_A_TIME: usize = 24;
/// How long a command may take if the boot need not wait for that; and if it must, because the fault never ends.
const PATIENCE: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(3)];

/// Boots from a TPM that was just switched on.
fn boot(swtpm: &Swtpm, session: Session, seal: Seal, cell: Option<Cell>) -> (Trial, Seen) {
    swtpm.reset(if session == Session::Version12 { STARTUP_12 } else { STARTUP });
    let mut due = Due::of(cell);
    let bus = FaultyBus::new(swtpm, move |nth, code| {
        let Cell { session, fault, has_run, .. } = due.at(nth, code)?;
        Some(match fault {
            Fault::Silence => Met::Silent { has_run },
            Fault::Gone => Met::Gone { has_run },
            _ => Met::Answered {
                has_run,
                spoil: Box::new(move |right, other| fault.answer(session, right, other).unwrap()),
            },
        })
    });
    let patience = PATIENCE[usize::from(cell.is_some_and(|cell| cell.waits()))];
    let line = format!("root=/dev/vda {} {}", session.parameter(), seal.parameter());
    let mut open = |choice: SessionChoice| {
        Ok::<Box<dyn Pcrs>, _>(if session == Session::Version12 {
            Box::new(Version12::open(&bus.device)?.within(patience).unprotected(choice)?)
        } else {
            Box::new(EsysPcrs::open(&bus.device)?.within(patience).protected(choice, None)?)
        })
    };
    let mut image = tempfile::tempfile().unwrap();
    image.write_all(&IMAGE).unwrap();
    let trial = Trial::of(&line, &image, &mut open);
    (trial, bus.seen())
}

/// The value of the PCR after these extends.
fn after(bank: Bank, extends: &[Digest]) -> Digest {
    extends.iter().fold(Digest::zero(bank), |pcr, digest| pcr.extended(bank, digest))
}

/// The bank that is looked at.
fn bank(session: Session) -> Bank {
    if session == Session::Version12 { Bank::Sha1 } else { BANK }
}

/// The PCR of the TPM, read past the bus: TPM2_PCR_Read of PCR 13 in the bank SHA-256, or TPM_PCRRead (TPM 2.0 Library, Part 3,
/// section 22.4; TPM Main, Part 3, section 16.2).
fn held(swtpm: &Swtpm, session: Session) -> Digest {
    if session == Session::Version12 {
        let answer = swtpm.run(&[0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, 13]);
        return Digest::from_bytes(Bank::Sha1, &answer[10..]).unwrap();
    }
    let answer = swtpm.run(&[0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7e, 0, 0, 0, 1, 0, 0x0b, 3, 0, 0x20, 0]);
    Digest::from_bytes(BANK, &answer[30..]).unwrap()
}

/// The end of a boot, if the TPM holds what it must then.
fn end(swtpm: &Swtpm, session: Session, (trial, seen): &(Trial, Seen)) -> Result<End, String> {
    let (held, bank) = (held(swtpm, session), bank(session));
    let (image, failed) = (bank.digest(&IMAGE), bank.digest(measurement::FAILED.as_bytes()));
    if held != after(bank, &seen.extends) || seen.extends.iter().any(|digest| *digest != image && *digest != failed) {
        return Err(format!("the TPM holds {held} after {:?}", seen.extends));
    }
    let is_prediction = held == after(bank, &[image]);
    match trial {
        Trial::Started if is_prediction => Ok(End::Measured),
        Trial::Started => Err(format!("an unmeasured root runs: {:?}", seen.extends)),
        Trial::Failed { step, .. } if seen.extends.last() == Some(&failed) => Ok(End::Marked(step)),
        Trial::Failed { .. } if seen.extends.contains(&failed) => Err("extended after the mark".to_owned()),
        Trial::Failed { step, .. } => Ok(End::NoTpmLeft(step)),
    }
}

/// The cells of these boots. Those that wait come first: the others are done meanwhile.
fn all_cells(swtpm: &Swtpm, sessions: &[Session]) -> Vec<Cell> {
    let whole = std::env::var("MEASUREROOT_FAULTS").is_ok_and(|part| part == "all");
    let cells_of = |&session: &Session| {
        let mut boots = Seal::ALL.map(|seal| boot(swtpm, session, seal, None).1.codes);
        boots.sort();
        assert_eq!(boots[0], boots[2], "the seal changes no command");
        let commands = Command::of_boot(&boots[0]).unwrap_or_else(|| panic!("an unknown command: {boots:x?}"));
        Cell::all(session, &commands)
    };
    let mut cells: Vec<_> = sessions.iter().flat_map(cells_of).collect();
    // swtpm takes a fifth of a second of a processor to start a TPM 1.2.
    let is_cheap = |cell: &Cell| !cell.waits() && cell.session != Session::Version12;
    cells.retain(|cell| whole || is_cheap(cell) || cell.is_in_pairs());
    cells.sort_by_key(|cell| !cell.waits());
    cells
}

/// Tries all cells of these boots from a TPM like the first.
fn try_all(first: &Swtpm, sessions: &[Session]) {
    let cells = all_cells(first, sessions);
    let (left, table, wrong) = (Mutex::new(cells.iter()), Mutex::new(Table::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let swtpm = first.like();
                loop {
                    let Some(cell) = left.lock().unwrap().next() else { return };
                    let ended = boot(&swtpm, cell.session, cell.seal, Some(*cell));
                    let (end, expected) = (end(&swtpm, cell.session, &ended), expected(cell));
                    match end {
                        Ok(end) if end == expected => table.lock().unwrap().add(cell, end),
                        _ => wrong.lock().unwrap().push(format!("{cell:?}: {end:?}, not {expected:?}: {:?}", ended.0)),
                    }
                }
            });
        }
    });
    table.into_inner().unwrap().print();
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cells end otherwise:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

#[test]
fn every_fault_of_a_tpm_at_every_command_ends_as_documented() {
    try_all(&Swtpm::start(BANK.name()), &Session::VERSION_2);
}

#[test]
fn every_fault_of_a_tpm_1_2_at_every_command_ends_as_documented() {
    try_all(&Swtpm::start_version12(), &[Session::Version12]);
}
