//! The end of a failed boot. It comes in time, even if a driver of the kernel hangs: a TPM that does not answer holds up reboot(2)
//! as long as the kernel waits for it (Linux, drivers/char/tpm/tpm-chip.c, `tpm_class_shutdown` waits for `ops_sem`), and a device
//! that never answers holds it up for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tss2_static::tcti::asked::aside;

use crate::boot::power::Power;
use crate::config::failure_policy::{FailureAction, FailurePolicy};
use crate::say;

/// The end that a failed boot comes to.
pub(super) struct End {
    power: Arc<dyn Power>,
    policy: FailurePolicy,
    begun: AtomicBool,
}

impl End {
    /// From now on the machine comes to its end, even if the caller never calls [`End::now`]: it hangs while it marks the PCR.
    pub(super) fn expect(power: Arc<dyn Power>, policy: &FailurePolicy) -> Arc<Self> {
        let end = Arc::new(Self { power, policy: *policy, begun: AtomicBool::new(false) });
        let (late, limit) = (Arc::clone(&end), end.power.limits().mark);
        after(limit, move || {
            if !late.begun.load(Ordering::Acquire) {
                say::error!("the mark of the failure takes more than {} s: ends without it", limit.as_secs());
                late.now();
            }
        });
        end
    }

    /// Waits as the policy says, and ends the machine. If another thread does that already, this waits for ever.
    pub(super) fn now(&self) {
        if self.begun.swap(true, Ordering::AcqRel) {
            return self.power.pause(None);
        }
        let FailurePolicy { pause, action, .. } = self.policy;
        self.power.pause(pause);
        let (power, limits) = (Arc::clone(&self.power), self.power.limits());
        match action {
            FailureAction::Reboot => force(power, limits.restart),
            FailureAction::PowerOff => force(power, limits.power_off),
            // Nothing runs any more, and the message is on the screen: more than that, halting would not do either.
            FailureAction::Halt => {}
        }
        self.power.stop(action);
    }
}

/// Restarts the machine after this time. The kernel cannot switch it off without its drivers; when an emergency power-off hangs, it
/// restarts, too (kernel/reboot.c, `hw_failure_emergency_poweroff_func`).
fn force(power: Arc<dyn Power>, limit: Duration) {
    after(limit, move || {
        say::error!("a driver of the kernel has held up the end for {} s: restarts without it", limit.as_secs());
        power.restart_at_once();
    });
}

/// Does the work after this time. If there is no memory for a thread, nobody does it.
fn after(time: Duration, work: impl FnOnce() + Send + 'static) {
    let done = aside(Box::new(move || {
        thread::sleep(time);
        work();
    }));
    if let Err(error) = done {
        say::warn!("the end of this boot has no limit: {error}");
    }
}
