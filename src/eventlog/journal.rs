//! The files of this boot's log: what the booted system, and whoever asks it for evidence, finds in /run.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

use super::bytes::Bytes;
use super::event_type::EventType;
use super::header::Header;
use super::recorder::Recorded;
use super::{sequence, tcg};
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;

/// Ours alone, in the folder of the status.
pub const OWN: &str = "measureroot/eventlog.bin";
/// The firmware's, with ours behind it.
pub const WHOLE: &str = "measureroot/binary_bios_measurements";
/// That of systemd's own measurements (systemd, docs/TPM2_PCR_MEASUREMENTS.md).
pub const SYSTEMD: &str = "log/systemd/tpm2-measure.log";

/// The kernel keeps the firmware's log in one piece of memory, which has at most so many bytes (`KMALLOC_MAX_SIZE`).
const MAX_FIRMWARE: u64 = 4 << 20;

/// The files, as far as they could be begun.
#[derive(Debug)]
pub struct Journal {
    logs: Vec<TcgLog>,
    systemd: PathBuf,
}

/// A TCG log, and the hashes its events have.
#[derive(Debug)]
struct TcgLog {
    path: PathBuf,
    file: File,
    header: Header,
}

impl TcgLog {
    /// Begins a log of ours, or goes on behind that of `firmware`.
    fn create(path: PathBuf, header: Header, firmware: &[u8]) -> Result<Self> {
        let name = path.display();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).about(name)?;
        let begin = if firmware.is_empty() { &header.encode()[..] } else { firmware };
        file.write_all(begin).about(path.display())?;
        Ok(Self { path, file, header })
    }
}

impl Journal {
    /// Begins the files below `run`. `firmware` is the log of whoever measured before us, if the kernel has it.
    ///
    /// # Errors
    /// When they cannot be written, or are there already: nobody else has any business with them.
    pub fn create(run: &Path, banks: &[Bank], firmware: Option<File>) -> Result<Self> {
        let folder = |name: &str| DirBuilder::new().recursive(true).mode(0o755).create(run.join(name)).about(name);
        folder("measureroot")?;
        folder("log/systemd")?;
        let own = Header::of(banks.iter().copied());
        let mut before = Vec::new();
        if let Some(file) = firmware {
            file.take(MAX_FIRMWARE + 1).read_to_end(&mut before).about("the firmware's event log")?;
        }
        if before.len() as u64 > MAX_FIRMWARE {
            return Err(Error::new("the firmware's event log", format!("longer than {MAX_FIRMWARE} bytes")));
        }
        let whole = if before.is_empty() { Ok(own.clone()) } else { Header::take(&mut Bytes::new(&before)) };
        let mut logs = vec![TcgLog::create(run.join(OWN), own, &[])?];
        match whole {
            Ok(header) => logs.push(TcgLog::create(run.join(WHOLE), header, &before)?),
            // Ours cannot stand behind it, and half of a log is none.
            Err(error) => log::warn!("the firmware's {error}: {WHOLE} is not made"),
        }
        Ok(Self { logs, systemd: run.join(SYSTEMD) })
    }

    /// Adds an event to each file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn append(&mut self, event: &Recorded) -> Result<()> {
        let data = event.claim.tagged()?;
        for log in &mut self.logs {
            let bytes = tcg::encode(&log.header, event.pcr, EventType::EVENT_TAG, &event.digests, &data);
            log.file.write_all(&bytes).about(log.path.display())?;
        }
        append_record(&self.systemd, &sequence::encode(event.pcr, &event.digests, &event.claim)?)
    }
}

/// As systemd does it (src/shared/tpm2-util.c): under a lock, with the sticky bit as the mark of a log that lacks a record,
/// for as long as it does. systemd sets it before it extends the PCR; here nobody runs who could see it that early.
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
        return Err(Error::new(path.display(), "not a regular file"));
    }
    let mark = |file: &File, bits| file.set_permissions(Permissions::from_mode(0o600 | bits)).about(path.display());
    mark(&file, STICKY)?;
    file.write_all(record).about(path.display())?;
    // Somebody's record is missing already: that must stay visible.
    if meta.permissions().mode() & STICKY == 0 { mark(&file, 0) } else { Ok(()) }
}
