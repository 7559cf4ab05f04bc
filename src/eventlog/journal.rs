//! The files with this boot's log. The booted system finds them in /run, and hands them to a verifier.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

use super::claim::Claim;
use super::event_type::EventType;
use super::log_form::LogForm;
use super::sequence;
use crate::error::{Context, Error, Result};
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// The log with only our events, in the folder that also has the status file.
pub(crate) const OWN: &str = "measureroot/eventlog.bin";
/// The firmware's log, followed by our events.
pub(crate) const WHOLE: &str = "measureroot/binary_bios_measurements";
/// The log of systemd's own measurements (systemd, docs/TPM2_PCR_MEASUREMENTS.md).
pub(crate) const SYSTEMD: &str = "log/systemd/tpm2-measure.log";

/// The longest firmware log, in bytes: the kernel keeps it in one allocation (`KMALLOC_MAX_SIZE`).
const MAX_FIRMWARE: u64 = 4 << 20;

/// What was extended, and our claim about it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) pcr: Pcr,
    pub(super) digests: Digests,
    pub(super) claim: Claim,
}

/// The files to which each event is appended.
#[derive(Debug)]
pub(crate) struct Journal {
    logs: Vec<TcgLog>,
    systemd: PathBuf,
}

/// A TCG log, and the form of its events.
#[derive(Debug)]
struct TcgLog {
    path: PathBuf,
    file: File,
    form: LogForm,
}

impl TcgLog {
    /// Creates a log that begins with `firmware`, or as its form begins if that is empty.
    fn create(path: PathBuf, form: LogForm, firmware: &[u8]) -> Result<Self> {
        let name = path.display();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).about(name)?;
        let start = if firmware.is_empty() { &form.start()[..] } else { firmware };
        file.write_all(start).about(path.display())?;
        Ok(Self { path, file, form })
    }
}

impl Journal {
    /// Creates the files below `run`, in the form `own`. `firmware` is the firmware's log, if the kernel has one.
    ///
    /// # Errors
    /// If a file cannot be written, or if one of ours exists: no other program may write them.
    pub(crate) fn create(run: &Path, own: LogForm, firmware: Option<File>) -> Result<Self> {
        let folder = |name: &str| DirBuilder::new().recursive(true).mode(0o755).create(run.join(name)).about(name);
        folder("measureroot")?;
        folder("log/systemd")?;
        let mut before = Vec::new();
        if let Some(file) = firmware {
            file.take(MAX_FIRMWARE + 1).read_to_end(&mut before).about("the firmware's event log")?;
        }
        if before.len() as u64 > MAX_FIRMWARE {
            return Err(Error::new("the firmware's event log", format_args!("is longer than {MAX_FIRMWARE} bytes")));
        }
        let whole = LogForm::behind(&before, &own);
        let mut logs = vec![TcgLog::create(run.join(OWN), own, &[])?];
        match whole {
            Ok(form) => logs.push(TcgLog::create(run.join(WHOLE), form, &before)?),
            // Our events cannot follow a log that cannot be read, and without its events the log would be incomplete.
            Err(error) => log::warn!("the firmware's {error}: {WHOLE} is not written"),
        }
        Ok(Self { logs, systemd: run.join(SYSTEMD) })
    }

    /// Appends an event to each file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn append(&mut self, event: &Recorded) -> Result<()> {
        let data = event.claim.tagged()?;
        for log in &mut self.logs {
            let bytes = log.form.encode(event.pcr, EventType::EVENT_TAG, &event.digests, &data);
            log.file.write_all(&bytes).about(log.path.display())?;
        }
        append_record(&self.systemd, &sequence::encode(event.pcr, &event.digests, &event.claim)?)
    }
}

/// Appends to systemd's log as systemd does (src/shared/tpm2-util.c): under a lock, and with the sticky bit set while the log
/// lacks a record. systemd sets the bit before it extends the PCR. We set it later, because no other program runs yet that
/// could read the log.
fn append_record(path: &Path, record: &[u8]) -> Result<()> {
    const STICKY: u32 = 0o1000;
    let name = path.display();
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NOCTTY).bits();
    let mut open = OpenOptions::new();
    let file = open.append(true).create(true).mode(0o600).custom_flags(flags).open(path).about(name)?;
    let mut file =
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| Error::new(path.display(), error))?;
    let meta = file.metadata().about(path.display())?;
    if !meta.is_file() {
        return Err(Error::new(path.display(), "is not a regular file"));
    }
    let mark = |file: &File, bits| file.set_permissions(Permissions::from_mode(0o600 | bits)).about(path.display());
    mark(&file, STICKY)?;
    file.write_all(record).about(path.display())?;
    // If the bit was set before, another program's record is missing, and that must stay visible.
    if meta.permissions().mode() & STICKY == 0 { mark(&file, 0) } else { Ok(()) }
}
