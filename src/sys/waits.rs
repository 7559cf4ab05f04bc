//! What the waits of the boot have in common.

use std::time::Duration;

/// After this time, the log says what the boot waits for: a disk, a driver, the TPM. What is healthy answers sooner, also a disk that
/// must start to spin, so a message means something. A person at a silent screen does not wait much longer before the machine is
/// switched off.
pub(crate) const UNNOTICED: Duration = Duration::from_secs(10);

/// Ends the work of this thread, but not the thread: another one ends the machine, and nothing may follow here.
pub(crate) fn for_ever() -> ! {
    loop {
        // It may return without a reason.
        std::thread::park();
    }
}
