//! The cells of the matrix, and a part of them that has every pair.

use super::command::Command;
use super::fault::{Family, Fault};

/// How the boot talks to the TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Session {
    Hmac,
    None,
    /// Without a session, because it is a TPM 1.2.
    Version12,
}

/// The seal of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seal {
    Verity,
    Ram,
    None,
}

/// Which commands a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lasts {
    /// One command.
    Once,
    /// From then on each command of the same kind, also while the failure is handled.
    Always,
}

/// A cell: a boot with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) session: Session,
    /// The place of the command in a boot without a fault.
    pub(crate) nth: usize,
    pub(crate) command: Command,
    pub(crate) fault: Fault,
    pub(crate) lasts: Lasts,
    /// Whether the TPM has run the command although its answer is wrong.
    pub(crate) has_run: bool,
    pub(crate) seal: Seal,
}

/// Finds the commands of a boot that the fault of a cell meets.
pub(crate) struct Due {
    cell: Option<Cell>,
    /// The code of the first of them.
    first: Option<u32>,
}

impl Due {
    pub(crate) fn of(cell: Option<Cell>) -> Self {
        Self { cell, first: None }
    }

    /// The cell, if its fault meets the command with this place and this code.
    pub(crate) fn at(&mut self, nth: usize, code: u32) -> Option<Cell> {
        let cell = self.cell.filter(|cell| nth >= cell.nth)?;
        let is_same = *self.first.get_or_insert(code) == code;
        (is_same && (cell.lasts == Lasts::Always || nth == cell.nth)).then_some(cell)
    }
}

impl Session {
    /// Those of a TPM 2.0.
    pub(crate) const VERSION_2: [Self; 2] = [Self::Hmac, Self::None];
    pub(crate) const ALL: [Self; 3] = [Self::Hmac, Self::None, Self::Version12];

    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Hmac | Self::Version12 => "measureroot.session=auto",
            Self::None => "measureroot.session=none",
        }
    }
}

impl Seal {
    pub(crate) const ALL: [Self; 3] = [Self::Verity, Self::Ram, Self::None];

    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Verity => "measureroot.seal=verity",
            Self::Ram => "measureroot.seal=ram",
            Self::None => "measureroot.seal=none",
        }
    }
}

impl Cell {
    /// All cells of the boots that have these commands.
    pub(crate) fn all(session: Session, commands: &[Command]) -> Vec<Self> {
        let mut cells = Vec::new();
        for (nth, &command) in commands.iter().enumerate() {
            for fault in Fault::ALL {
                for lasts in [Lasts::Once, Lasts::Always] {
                    for has_run in [false, true] {
                        let cells_of =
                            Seal::ALL.map(|seal| Self { session, nth, command, fault, lasts, has_run, seal });
                        cells.extend(cells_of.into_iter().filter(Self::can_be));
                    }
                }
            }
        }
        cells
    }

    /// Whether there is such a fault.
    fn can_be(&self) -> bool {
        if !self.fault.is_of(self.session) {
            return false;
        }
        match self.fault.family() {
            // A TPM that runs the same command again and again is the same as one that does so once.
            Family::Busy => !(self.has_run && self.lasts == Lasts::Always),
            // From then on there is no TPM.
            Family::Lost => self.lasts == Lasts::Always,
            _ => self.has_run || !self.fault.needs_answer(),
        }
    }

    /// Whether the boot must wait for the end of a time limit.
    pub(crate) fn waits(&self) -> bool {
        let is_busy = self.fault.family() == Family::Busy && self.lasts == Lasts::Always;
        is_busy || self.fault == Fault::Silence
    }

    /// Whether QEMU can pass the answer on: it computes a negative length if the header gives less than its own length. The right
    /// answer to TPM2_FlushContext is only a header.
    pub(crate) fn passes_qemu(&self) -> bool {
        !(self.command == Command::FlushContext && self.fault == Fault::Short)
    }

    /// Whether it is in the part in which every pair of a command and a fault, of a fault and a seal, and of a command and a seal
    /// occurs: the seal follows from the two others, as in a Latin square.
    pub(crate) fn is_in_pairs(&self) -> bool {
        (self.nth + self.fault as usize) % Seal::ALL.len() == self.seal as usize
    }
}
