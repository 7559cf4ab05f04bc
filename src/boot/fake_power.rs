//! The power of a machine that is not real. Any thread may use it, so it also keeps the calls that were made.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::boot::fake_call::{Call, Fault};
use crate::boot::power::{Limits, Power};
use crate::config::failure_policy::FailureAction;

/// The power, and the calls that were made.
#[derive(Default)]
pub(super) struct FakePower {
    calls: Mutex<Vec<Call>>,
    /// Another thread has ended the machine while a call hung.
    has_ended: Condvar,
    fault: Mutex<Fault>,
}

impl FakePower {
    /// From now on this goes wrong.
    pub(super) fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// The calls until now.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Remembers a call.
    pub(super) fn add(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
        self.has_ended.notify_all();
    }

    /// Hangs until the machine has ended in this way.
    pub(super) fn hang_until(&self, end: Call) {
        let calls = self.calls.lock().unwrap();
        let limit = Duration::from_secs(60);
        let ended = self.has_ended.wait_timeout_while(calls, limit, |calls| !calls.contains(&end)).unwrap();
        assert!(!ended.1.timed_out(), "nothing ended the machine");
    }
}

impl Power for FakePower {
    fn limits(&self) -> Limits {
        // In the other tests the limits are never reached.
        let hangs = |call| *self.fault.lock().unwrap() == Fault::Hangs(call);
        let soon = |is_soon| Duration::from_millis(if is_soon { 20 } else { 3_600_000 });
        let restart = soon(hangs(Call::Stop(FailureAction::Reboot)));
        let power_off = soon(hangs(Call::Stop(FailureAction::PowerOff)));
        Limits { mark: soon(hangs(Call::LoadModulesToMark) || hangs(Call::TpmToMark)), restart, power_off }
    }
    fn pause(&self, time: Option<Duration>) {
        // A thread that waits for ever takes no part any more.
        if time.is_some() {
            self.add(Call::Pause);
        }
    }
    fn stop(&self, action: FailureAction) {
        self.add(Call::Stop(action));
        if *self.fault.lock().unwrap() == Fault::Hangs(Call::Stop(action)) {
            self.hang_until(Call::RestartAtOnce);
        }
    }
    fn restart_at_once(&self) {
        self.add(Call::RestartAtOnce);
    }
}
