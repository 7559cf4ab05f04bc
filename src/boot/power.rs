//! The machine's power, as the end of a failed boot uses it.

use std::thread;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};
use tss2_static::tcti::line::met_silence;

use crate::config::failure_policy::FailureAction;
use crate::say;
use crate::sys::sysrq;
use crate::sys::waits::for_ever;

/// What ends the machine. Each method may be called by any thread, also while another thread hangs in the kernel.
pub(super) trait Power: Send + Sync {
    /// The longest times that the end may take.
    fn limits(&self) -> Limits;
    /// Waits; `None` is for ever.
    fn pause(&self, time: Option<Duration>);
    /// Asks every driver to stop its device, and ends the machine. It returns only if the kernel refuses.
    fn stop(&self, action: FailureAction);
    /// Restarts the machine without asking a driver.
    fn restart_at_once(&self);
}

/// The longest times that the end of a failed boot may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the failure to the pause: until the PCR is marked.
    pub(super) mark: Duration,
    /// From the pause to the restart.
    pub(super) restart: Duration,
    /// From the pause until the machine is off.
    pub(super) power_off: Duration,
}

/// A mark needs the modules of the TPM, and the TPM may be slow with each of some ten commands.
///
/// A machine that shall be off gets the time that the kernel's own driver needs to give up a TPM: 300 s for the slowest command, of
/// which the boot has waited for a part already, and 120 s for `TPM2_Shutdown` (Linux, drivers/char/tpm/tpm.h,
/// `TPM2_DURATION_LONG_LONG` and `TPM2_DURATION_DEFAULT`). For a restart there is no reason to wait.
const LIMITS: Limits =
    Limits { mark: Duration::from_secs(120), restart: Duration::from_secs(30), power_off: Duration::from_secs(420) };

/// If the TPM did not answer before the failure, nobody waits much longer for it: one quick look. The thread that marks goes on while
/// the message is on the screen.
const MARK_OF_SILENT_TPM: Duration = Duration::from_secs(3);

fn limits(is_tpm_silent: bool) -> Limits {
    if is_tpm_silent { Limits { mark: MARK_OF_SILENT_TPM, ..LIMITS } } else { LIMITS }
}

/// The machine that this program is PID 1 of.
pub(super) struct LinuxPower;

impl Power for LinuxPower {
    fn limits(&self) -> Limits {
        limits(met_silence())
    }

    fn pause(&self, time: Option<Duration>) {
        match time {
            Some(time) => thread::sleep(time),
            None => for_ever(),
        }
    }

    fn stop(&self, action: FailureAction) {
        let mode = match action {
            FailureAction::Reboot => RebootMode::RB_AUTOBOOT,
            FailureAction::PowerOff => RebootMode::RB_POWER_OFF,
            FailureAction::Halt => RebootMode::RB_HALT_SYSTEM,
        };
        let Err(error) = reboot(mode);
        say::error!("reboot(2): {error}");
    }

    fn restart_at_once(&self) {
        if let Err(error) = sysrq::restart() {
            say::error!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tpm_that_did_not_answer_is_not_waited_for_twice() {
        assert!(limits(true).mark < Duration::from_secs(5) && limits(false).mark > Duration::from_secs(60));
        // Switching off needs the driver, which still waits.
        assert_eq!(limits(true).power_off, limits(false).power_off);
    }
}
