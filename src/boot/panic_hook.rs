//! What PID 1 does when this program panics: the same as after a failure. Without it the kernel would panic, and the PCR would keep
//! its value.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::config::failure_policy::FailurePolicy;
use crate::say;
use crate::sys::waits::for_ever;

/// What to do after a failure, as far as it is known.
static POLICY: Mutex<Option<FailurePolicy>> = Mutex::new(None);
/// Whether a thread handles a panic.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// From now on, a panic ends as this policy says.
pub(super) fn obey(policy: FailurePolicy) {
    *POLICY.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy);
}

/// Sets the hook: `end` stops the machine. After it, the program aborts: the last resort is the kernel's own panic.
pub(super) fn set(end: fn(&FailurePolicy, &dyn Display)) {
    std::panic::set_hook(Box::new(move |panic| {
        // A child process only ends; PID 1 notices that.
        if std::process::id() != 1 {
            return say::error!("{panic}");
        }
        // When the hook of a second thread returns, the program aborts, and the first thread may not be done.
        if PANICKED.swap(true, Ordering::AcqRel) {
            for_ever();
        }
        // A thread that holds the lock never panics.
        let policy = POLICY.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| FailurePolicy::of(&[]));
        end(&policy, panic);
    }));
}
