//! PCRs of a TPM 1.2, straight over its device. The boot needs three commands of it, and none needs an authorization.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tss2_static::tcti::family::Family;
use tss2_static::tcti::line::Line;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::measure::pcrs::Pcrs;
use crate::measure::session::{Session, SessionChoice};
use crate::measure::tpm_version::TpmVersion;
use crate::say;
use crate::tpm::open_line;
use crate::tpm::version12_answer::{Answer, body};

/// `TPM_TAG_RQU_COMMAND` (TPM Main, Part 2, section 6).
const TAG: [u8; 2] = [0x00, 0xc1];
/// `TPM_ORD_Extend`, `TPM_ORD_PCRRead`, `TPM_ORD_GetCapability` (TPM Main, Part 2, section 17; Part 3, sections 16.1, 16.2, 7.1).
const EXTEND: u32 = 0x14;
const PCR_READ: u32 = 0x15;
const GET_CAPABILITY: u32 = 0x65;
/// `TPM_CAP_PROPERTY`, the length of the next number, and `TPM_CAP_PROP_PCR`: how many PCRs there are (TPM Main, Part 2, section 21).
const COUNT_OF_PCRS: [u32; 3] = [0x5, 4, 0x101];

/// The lines that this program has open, each with its device. Without a resource manager, the device cannot be opened a second time;
/// but a boot that fails must be marked while one of its threads hangs and holds the device.
static OPEN: Mutex<Vec<(PathBuf, Weak<Line>)>> = Mutex::new(Vec::new());

/// The PCRs of an open TPM 1.2. Its only bank is SHA-1.
pub struct Version12 {
    line: Arc<Line>,
}

impl Version12 {
    /// Opens the device, for example /dev/tpm0.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(device: &Path) -> Result<Self> {
        Self::open_when_free(device, Duration::ZERO)
    }

    /// Opens the device as soon as no other program holds it. Waits for at most `patience`. If this program has it open, it is used
    /// together.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open_when_free(device: &Path, patience: Duration) -> Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = open.iter().find_map(|(path, line)| line.upgrade().filter(|_| path == device)) {
            return Ok(Self { line });
        }
        let line = Arc::new(open_line::open_when_free(device, Family::V1_2, patience)?);
        open.retain(|(path, _)| path != device);
        open.push((device.to_owned(), Arc::downgrade(&line)));
        Ok(Self { line })
    }

    /// The same TPM, but no command may take longer than `patience`.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        self.line.set_patience(patience);
        self
    }

    /// The same TPM, if `choice` allows commands without an HMAC session. A TPM 1.2 has no sessions for commands that need no
    /// authorization.
    ///
    /// # Errors
    /// When `choice` asks for a session.
    pub fn unprotected(self, choice: SessionChoice) -> Result<Self> {
        match choice {
            SessionChoice::Hmac => {
                return Err(Error::new("session", "a TPM 1.2 has none that protects an extend")
                    .hint("measureroot.session=auto takes it without one"));
            }
            // As for a TPM 2.0 without sessions: it is always shown.
            SessionChoice::Auto => {
                say::error!("no HMAC session: commands to a TPM 1.2 and its answers are not protected");
            }
            SessionChoice::None => {}
        }
        Ok(self)
    }

    /// Runs a command: these numbers, then the digest. Returns what its answer has behind the header.
    fn run(&self, name: &str, command: u32, numbers: &[u32], digest: &[u8], answer: Answer) -> Result<Vec<u8>> {
        // 10 bytes of header. The longest command, `TPM_Extend`, has 34 bytes.
        let size = u8::try_from(10 + 4 * numbers.len() + digest.len()).unwrap_or(u8::MAX);
        let mut bytes = [&TAG[..], &[0, 0, 0, size], &command.to_be_bytes()].concat();
        for number in numbers {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(digest);
        body(name, self.line.run(&bytes), answer)
    }

    /// The value of a PCR.
    ///
    /// # Errors
    /// When the TPM does not give it.
    pub(crate) fn value(&self, pcr: Pcr) -> Result<Digest> {
        let name = format!("TPM_PCRRead of PCR {pcr}");
        let value = self.run(&name, PCR_READ, &[u32::from(pcr.get())], &[], Answer::Digest)?;
        Digest::from_bytes(Bank::Sha1, &value)
    }
}

impl Pcrs for Version12 {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        let count = self.run("TPM_GetCapability(PCR)", GET_CAPABILITY, &COUNT_OF_PCRS, &[], Answer::Number)?;
        let count = count.try_into().map_or(0, u32::from_be_bytes);
        if u32::from(pcr.get()) >= count {
            return Err(Error::new(format_args!("PCR {pcr}"), format_args!("the TPM has {count} PCRs"))
                .hint("rootimgpcr= names another"));
        }
        Ok(vec![Bank::Sha1])
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        let mut values = Digests::new();
        for &bank in banks {
            only_sha1(bank)?;
            values.insert(bank, self.value(pcr.into())?);
        }
        Ok(values)
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        digests.keys().try_for_each(|&bank| only_sha1(bank))?;
        for digest in digests.values() {
            let name = format!("TPM_Extend of PCR {pcr}");
            // The answer has the new value, or zeros if the TPM is disabled. The caller reads the PCR.
            self.run(&name, EXTEND, &[u32::from(pcr.get())], digest.as_bytes(), Answer::Digest)?;
        }
        Ok(())
    }

    fn session(&self) -> Option<Session> {
        Some(Session::None)
    }

    fn tpms(&self) -> Vec<TpmVersion> {
        vec![TpmVersion::V1_2]
    }
}

/// A digest of another bank would be as wrong as its length.
fn only_sha1(bank: Bank) -> Result<()> {
    if bank == Bank::Sha1 { Ok(()) } else { Err(Error::new(format_args!("bank {bank}"), "a TPM 1.2 has only sha1")) }
}
