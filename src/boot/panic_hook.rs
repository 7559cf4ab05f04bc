//! What PID 1 does when this program panics: the same as after a failure. Without it the kernel would panic, and the PCR would keep
//! its value.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::boot::fail::fail_after_panic;
use crate::boot::linux::Linux;
use crate::config::failure_policy::FailurePolicy;
use crate::root::init_arguments::InitArguments;

/// What to do after a failure, as far as it is known.
static POLICY: Mutex<Option<FailurePolicy>> = Mutex::new(None);
/// Whether a thread handles a panic.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// From now on, a panic ends as this policy says.
pub(super) fn obey(policy: FailurePolicy) {
    *POLICY.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy);
}

/// Sets the hook. After it, the program aborts: the last resort is the kernel's own panic.
pub(super) fn set() {
    std::panic::set_hook(Box::new(|panic| {
        // When the hook of a second thread returns, the program aborts, and the first thread may not be done.
        while PANICKED.swap(true, Ordering::AcqRel) {
            thread::park();
        }
        // A thread that holds the lock never panics.
        let policy = POLICY.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| FailurePolicy::of(&[]));
        let mut machine = Linux::new(InitArguments::new(std::iter::empty(), Vec::new()));
        fail_after_panic(&mut machine, &policy, panic);
    }));
}
