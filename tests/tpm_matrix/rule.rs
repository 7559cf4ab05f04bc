//! What a cell must end in. This follows from the kind of the command and the kind of the fault, not from what a boot did.

use super::cell::{Cell, Lasts, Session};
use super::command::Command;
use super::fault::Family;

/// The end of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The root runs, and the PCR is the prediction.
    Measured,
    /// The step of this name failed, and the mark of the failure is the last extend.
    Marked(&'static str),
    /// The step of this name failed, and no TPM is left that takes the mark.
    NoTpmLeft(&'static str),
}

/// The end of this cell.
pub(crate) fn expected(cell: &Cell) -> End {
    if is_mended(cell) {
        return End::Measured;
    }
    let never_extends = cell.command == Command::Extend && cell.lasts == Lasts::Always && !cell.has_run;
    if never_extends || cell.fault.family() == Family::Lost {
        End::NoTpmLeft(cell.command.step())
    } else {
        End::Marked(cell.command.step())
    }
}

fn is_mended(cell: &Cell) -> bool {
    match cell.fault.family() {
        // The command is sent again.
        Family::Busy => cell.lasts == Lasts::Once && (!cell.has_run || can_run_twice(cell)),
        // What is in the TPM is flushed. Then the session is started again.
        Family::Full => cell.lasts == Lasts::Once && cell.command.starts_session(),
        Family::Refused | Family::Malformed | Family::Lost => false,
    }
}

/// Whether nothing is wrong if the TPM runs the same command twice. A session's nonces make each of its commands new. An object can
/// be flushed once. The PCR shows a second extend.
fn can_run_twice(cell: &Cell) -> bool {
    match cell.command {
        Command::CreatePrimary | Command::StartAuthSession => true,
        Command::FlushContext | Command::Extend => false,
        Command::GetCapability | Command::ReadBefore | Command::ReadAfter => cell.session != Session::Hmac,
    }
}
