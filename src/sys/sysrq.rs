//! The kernel's magic SysRq: what it does needs no driver and no lock, so it works while a driver hangs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;

use crate::error::{Context, Error, Result};

const PATH: &str = "/proc/sysrq-trigger";

static TRIGGER: OnceLock<File> = OnceLock::new();

/// Opens the trigger, because /proc moves to the new root before the boot is over. A kernel without `CONFIG_MAGIC_SYSRQ` has none.
pub(crate) fn remember() {
    if let Ok(file) = OpenOptions::new().write(true).open(PATH) {
        TRIGGER.set(file).ok();
    }
}

/// Restarts the machine at once (kernel, Documentation/admin-guide/sysrq.rst: `b`).
///
/// # Errors
/// When there is no trigger. Otherwise it does not return.
pub(crate) fn restart() -> Result<()> {
    let mut trigger = TRIGGER.get().ok_or_else(|| {
        Error::new(PATH, "is missing")
            .hint("without CONFIG_MAGIC_SYSRQ, the machine stands still until the driver answers")
    })?;
    trigger.write_all(b"b").about(PATH)
}
