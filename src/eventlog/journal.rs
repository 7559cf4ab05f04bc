//! The files with this boot's log. The booted system finds them in /run, and hands them to a verifier.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

use super::claim::Claim;
use super::event_type::EventType;
use super::header::Header;
use super::log_form::LogForm;
use super::{ccel, sequence, tcg};
use crate::error::{Context, Error, Result};
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;
use crate::measure::rtmr::RtmrIndex;
use crate::say;

/// The log with only our events, in the folder that also has the status file.
pub(crate) const OWN: &str = "measureroot/eventlog.bin";
/// The firmware's log, followed by our events.
pub(crate) const WHOLE: &str = "measureroot/binary_bios_measurements";
/// The firmware's log of a confidential virtual machine, followed by our events of its RTMRs.
pub(crate) const CCEL: &str = "measureroot/ccel.bin";
/// The log of systemd's own measurements (systemd, docs/TPM2_PCR_MEASUREMENTS.md).
pub(crate) const SYSTEMD: &str = "log/systemd/tpm2-measure.log";

/// The longest firmware log, in bytes: the kernel keeps it in one allocation (`KMALLOC_MAX_SIZE`).
const MAX_FIRMWARE: u64 = 4 << 20;

/// What an event of ours extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Pcr(Pcr),
    Rtmr(RtmrIndex),
}

/// What was extended, and our claim about it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) register: Register,
    pub(super) digests: Digests,
    pub(super) claim: Claim,
}

/// The files to which each event is appended.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    logs: Vec<TcgLog>,
    systemd: PathBuf,
    /// The log of the RTMRs, if the machine has some. It is crypto-agile: an RTMR has no SHA-1.
    ccel: Option<TcgLog>,
}

/// A TCG log, and the form of its events.
#[derive(Debug)]
struct TcgLog {
    path: PathBuf,
    file: File,
    form: LogForm,
}

impl TcgLog {
    /// Creates a log that begins with these bytes, which end with the header or with an event.
    fn create(path: PathBuf, form: LogForm, begin: &[u8]) -> Result<Self> {
        let name = path.display();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).about(name)?;
        file.write_all(begin).about(path.display())?;
        Ok(Self { path, file, form })
    }

    fn append(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(event).about(self.path.display())
    }
}

/// Makes the folder of our files.
fn create_folder(run: &Path, name: &str) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(run.join(name)).about(name)
}

/// A log of the firmware, which is not empty; `None` if there is none.
fn read_firmware(name: &'static str, firmware: Option<File>) -> Result<Option<Vec<u8>>> {
    let mut log = Vec::new();
    if let Some(file) = firmware {
        file.take(MAX_FIRMWARE + 1).read_to_end(&mut log).about(name)?;
    }
    if log.len() as u64 > MAX_FIRMWARE {
        return Err(Error::new(name, format_args!("is longer than {MAX_FIRMWARE} bytes")));
    }
    Ok(Some(log).filter(|log| !log.is_empty()))
}

impl Journal {
    /// Creates the files below `run`, in the form `own`. `firmware` is the firmware's log, if the kernel has one.
    ///
    /// # Errors
    /// If a file cannot be written, or if one of ours exists: no other program may write them.
    pub(crate) fn create(run: &Path, own: LogForm, firmware: Option<File>) -> Result<Self> {
        create_folder(run, "measureroot")?;
        create_folder(run, "log/systemd")?;
        let before = read_firmware("the firmware's event log", firmware)?.unwrap_or_default();
        let (whole, start) = (LogForm::behind(&before, &own), own.start());
        let mut logs = vec![TcgLog::create(run.join(OWN), own, &start)?];
        let before = if before.is_empty() { start } else { before };
        match whole {
            Ok(form) => logs.push(TcgLog::create(run.join(WHOLE), form, &before)?),
            // Our events cannot follow a log that cannot be read, and without its events the log would be incomplete.
            Err(error) => say::warn!("the firmware's {error}: {WHOLE} is not written"),
        }
        Ok(Self { logs, systemd: run.join(SYSTEMD), ccel: None })
    }

    /// The same files, and the log of the RTMRs. `firmware` is the firmware's log of them, if the kernel has one.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(crate) fn with_ccel(self, run: &Path, firmware: Option<File>) -> Result<Self> {
        create_folder(run, "measureroot")?;
        let own = Header::of([RtmrIndex::BANK].into_iter());
        let ours = ccel::encode(&own);
        let read = read_firmware("the firmware's log of its RTMRs", firmware)?.map(|mut log| -> Result<_> {
            let (header, end) = ccel::measure(&log)?;
            log.truncate(end);
            Ok((header, log))
        });
        let (header, begin) = match read {
            Some(Ok(read)) => read,
            // The booted system finds the firmware's log where we did.
            Some(Err(error)) => {
                say::warn!("the firmware's {error}: {CCEL} has no event of the firmware");
                (own, ours)
            }
            None => (own, ours),
        };
        let ccel = TcgLog::create(run.join(CCEL), LogForm::CryptoAgile(header), &begin)?;
        Ok(Self { ccel: Some(ccel), ..self })
    }

    /// Appends an event to each file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn append(&mut self, event: &Recorded) -> Result<()> {
        let data = event.claim.tagged()?;
        let pcr = match event.register {
            Register::Pcr(pcr) => pcr,
            Register::Rtmr(rtmr) => {
                let Some(log) = &mut self.ccel else { return Ok(()) };
                let LogForm::CryptoAgile(header) = &log.form else { return Ok(()) };
                let (register, digests) = (rtmr.measurement_index(), &event.digests);
                let event = tcg::encode_register(header, register, EventType::EVENT_TAG, digests, &data);
                return log.append(&event);
            }
        };
        for log in &mut self.logs {
            log.append(&log.form.encode(pcr, EventType::EVENT_TAG, &event.digests, &data))?;
        }
        append_record(&self.systemd, &sequence::encode(pcr, &event.digests, &event.claim)?)
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
