//! What PID 1 does when a step of the boot failed.

use std::time::Duration;

use crate::boot::machine::Machine;
use crate::boot::step::Failure;
use crate::config::failure_policy::FailurePolicy;
use crate::eventlog::Recorder;
use crate::measure::measurement;
use crate::measure::session::SessionChoice;

/// Logs the failure, extends the PCR so that it cannot have the value of any image, waits, and stops the machine.
pub(super) fn fail(machine: &mut impl Machine, policy: &FailurePolicy, log: &mut Recorder, failure: &Failure) {
    log::error!("{failure}");
    extend_failed(machine, policy, log);
    machine.pause(policy.pause);
    machine.stop(policy.action);
}

/// Extends the PCR with [`measurement::FAILED`]. If that fails with a session, it is repeated without one: the session may be
/// the cause of the failure, and a PCR that is not extended would be worse. Extending it twice does no harm.
fn extend_failed(machine: &mut impl Machine, policy: &FailurePolicy, log: &mut Recorder) {
    let mut sessions = vec![policy.session, SessionChoice::None];
    sessions.dedup();
    for session in sessions {
        let extended = match machine.tpm(Duration::ZERO, session) {
            Ok(Some(mut tpm)) => log.failed(&mut *tpm, policy.pcr),
            Ok(None) => return log::warn!("no TPM to extend with the digest of \"{}\"", measurement::FAILED),
            Err(error) => Err(error),
        };
        match extended {
            Ok(()) => return log::info!("PCR {} extended with the digest of \"{}\"", policy.pcr, measurement::FAILED),
            Err(error) => log::error!("{error}"),
        }
    }
}
