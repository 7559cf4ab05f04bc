//! The bus between measureroot and the TPM, with an attacker who can change every command and answer.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use measureroot::internal::error::Result;
use measureroot::internal::hash::digests_of;
use measureroot::internal::measure::measurement::{self, Report};
use measureroot::internal::measure::{PcrIndex, Pcrs, SessionChoice};
use measureroot::internal::tpm::EsysPcrs;

use super::{Swtpm, pty};

/// `TPM_CC` (TPM 2.0 Library, Part 2, section 6.5.2).
pub(crate) const CREATE_PRIMARY: u32 = 0x131;
pub(crate) const FLUSH_CONTEXT: u32 = 0x165;
pub(crate) const START_AUTH_SESSION: u32 = 0x176;
pub(crate) const GET_CAPABILITY: u32 = 0x17a;
pub(crate) const PCR_READ: u32 = 0x17e;
pub(crate) const PCR_EXTEND: u32 = 0x182;

/// An attacker on the bus. It gets each command and a way to send commands to the TPM, and returns the answer.
pub(crate) type Interposer = Box<dyn FnMut(&[u8], &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> + Send>;

/// A bus to a software TPM.
pub(crate) struct Bus {
    /// The path of the device.
    pub device: PathBuf,
    commands: Arc<Mutex<Vec<Vec<u8>>>>,
    open: Option<OwnedFd>,
    interposer: Option<JoinHandle<()>>,
}

impl Bus {
    /// A bus without an attacker.
    pub(crate) fn honest(swtpm: &Swtpm) -> Self {
        Self::with(swtpm, Box::new(|command, tpm| tpm(command)))
    }

    /// A bus with an attacker.
    pub(crate) fn with(swtpm: &Swtpm, mut interposer: Interposer) -> Self {
        let pty = pty();
        let mut line = File::from(pty.tpm);
        let mut tpm = File::options().read(true).write(true).open(&swtpm.device).unwrap();
        let mut to_tpm = move |command: &[u8]| {
            tpm.write_all(command).unwrap();
            message(&mut tpm).expect("an answer of swtpm")
        };
        let commands = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&commands);
        let interposer = std::thread::spawn(move || {
            // Ends when the device is closed.
            while let Some(command) = message(&mut line) {
                let answer = interposer(&command, &mut to_tpm);
                record.lock().unwrap().push(command);
                line.write_all(&answer).ok();
            }
        });
        Self { device: pty.path, commands, open: Some(pty.device), interposer: Some(interposer) }
    }

    /// The codes of the commands until now.
    pub(crate) fn codes(&self) -> Vec<u32> {
        self.commands.lock().unwrap().iter().map(|command| code(command)).collect()
    }

    /// Measures the image `image` over this bus, like the boot.
    pub(crate) fn measure(&self, choice: SessionChoice) -> Result<Report> {
        self.measure_within(Duration::from_secs(60), choice)
    }

    /// The same, but no command may take longer than `patience`.
    pub(crate) fn measure_within(&self, patience: Duration, choice: SessionChoice) -> Result<Report> {
        let mut tpm = EsysPcrs::open(&self.device)?.within(patience).protected(choice, None)?;
        let banks = tpm.banks(PcrIndex::DEFAULT)?;
        measurement::extend(&mut tpm, PcrIndex::DEFAULT, &digests_of(&banks, b"image"))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(interposer) = self.interposer.take()
            && interposer.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the interposer failed");
        }
    }
}

/// Reads a whole command or answer. Its length follows the tag of two bytes.
pub(crate) fn message(line: &mut File) -> Option<Vec<u8>> {
    let mut message = vec![0; 6];
    line.read_exact(&mut message).ok()?;
    let length = u32::from_be_bytes(message[2..].try_into().unwrap());
    message.resize(usize::try_from(length).unwrap(), 0);
    line.read_exact(&mut message[6..]).ok()?;
    Some(message)
}

/// The code of a command.
pub(crate) fn code(command: &[u8]) -> u32 {
    u32::from_be_bytes(command[6..10].try_into().unwrap())
}

/// An answer with this tag, code and body.
pub(crate) fn answer(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(10 + body.len()).unwrap();
    [&tag.to_be_bytes(), length.to_be_bytes().as_slice(), &code.to_be_bytes(), body].concat()
}
