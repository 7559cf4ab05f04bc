//! What PID 1 does when a step of the boot failed.

use std::fmt::Display;

use crate::boot::end::End;
use crate::boot::machine::Machine;
use crate::boot::rtmr_device::RtmrRequest;
use crate::boot::step::Failure;
use crate::config::failure_policy::FailurePolicy;
use crate::error::Error;
use crate::eventlog::Recorder;
use crate::measure::measurement;
use crate::measure::session::SessionChoice;
use crate::say;
use crate::tpm::{TpmRequest, WithRtmrs};

/// Logs the failure, extends the PCR so that it cannot have the value of any image, waits, and stops the machine.
pub(super) fn fail(machine: &mut dyn Machine, policy: &FailurePolicy, log: &mut Recorder, failure: &Failure) {
    let end = End::expect(machine.power(), policy);
    say::error!("{failure}");
    if let Some(modules) = machine.modules_left_out().filter(|_| failure.step.needs_drivers()) {
        say::error!("modules that are not loaded: {modules}");
    }
    mark(machine, policy, log, Some(&failure.error));
    end.now();
}

/// The same after a panic, which is a bug of this program. Nobody knows any more which events were recorded.
pub(super) fn fail_after_panic(machine: &mut dyn Machine, policy: &FailurePolicy, panic: &dyn Display) {
    let end = End::expect(machine.power(), policy);
    say::error!("FAILED by a bug of measureroot: {panic}");
    mark(machine, policy, &mut Recorder::default(), None);
    end.now();
}

/// Extends the PCR with [`measurement::FAILED`]. If that fails with a session, it is repeated without one: the session may be
/// the cause of the failure, and a PCR that is not extended would be worse. Extending it twice does no harm.
fn mark(machine: &mut dyn Machine, policy: &FailurePolicy, log: &mut Recorder, said: Option<&Error>) {
    let (pcr, text) = (policy.pcr, measurement::FAILED);
    let mut sessions = vec![policy.session, SessionChoice::None];
    sessions.dedup();
    machine.load_modules_to_mark();
    // First: a TPM that hangs must not keep them from it.
    let has_rtmrs = mark_rtmrs(machine, policy, log);
    let mut last: Option<Error> = None;
    for session in sessions {
        let extended = match machine.tpm_to_mark(TpmRequest::to_mark(session)) {
            Ok(Some(mut tpm)) => log.failed(&mut *tpm, pcr),
            Ok(None) if has_rtmrs => return,
            Ok(None) => return say::warn!("no TPM to extend with the digest of \"{text}\""),
            Err(error) => Err(error),
        };
        match extended {
            Ok(()) => return say::info!("PCR {pcr} extended with the digest of \"{text}\""),
            Err(error) => last = Some(error),
        }
    }
    match last {
        // It stands on the console already.
        Some(error) if Some(&error) == said => {
            say::error!("PCR {pcr} is not extended with the digest of \"{text}\", for the same reason");
        }
        Some(error) => say::error!("PCR {pcr} is not extended with the digest of \"{text}\": {error}"),
        None => {}
    }
}

/// Extends the RTMRs in the same way, and returns whether there are any.
fn mark_rtmrs(machine: &mut dyn Machine, policy: &FailurePolicy, log: &mut Recorder) -> bool {
    let (rtmr, text) = (policy.rtmr, measurement::FAILED);
    let opened = machine.rtmrs(RtmrRequest::Mark(rtmr)).map(|rtmrs| WithRtmrs::join(None, rtmrs));
    let has_rtmrs = matches!(opened, Ok(Some(_)));
    let marked = opened.and_then(|rtmrs| rtmrs.map(|mut rtmrs| log.failed(&mut *rtmrs, policy.pcr)).transpose());
    match marked {
        Ok(None) => {}
        Ok(Some(())) => say::info!("RTMR {rtmr} extended with the digest of \"{text}\""),
        Err(error) => say::error!("RTMR {rtmr} is not extended with the digest of \"{text}\": {error}"),
    }
    has_rtmrs
}
