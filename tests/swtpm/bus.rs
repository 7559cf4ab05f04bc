//! The bus between us and the TPM, with somebody on it who can do to commands and answers whatever they like.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{Swtpm, pipe};

/// `TPM_CC` (TPM 2.0 Library, Part 2, section 6.5.2).
pub const CREATE_PRIMARY: u32 = 0x131;
pub const FLUSH_CONTEXT: u32 = 0x165;
pub const START_AUTH_SESSION: u32 = 0x176;
pub const GET_CAPABILITY: u32 = 0x17a;
/// tpm2-tss begins with it, to learn how the device answers.
pub const GET_RANDOM: u32 = 0x17b;
pub const PCR_READ: u32 = 0x17e;
pub const PCR_EXTEND: u32 = 0x182;

/// Somebody on the bus, who is given each command and a way to the TPM, and answers.
pub type Interposer = Box<dyn FnMut(&[u8], &mut dyn FnMut(&[u8]) -> Vec<u8>) -> Vec<u8> + Send>;

/// The device's end of a bus to a software TPM.
pub struct Bus {
    /// The device.
    pub device: PathBuf,
    passed: Arc<Mutex<Vec<Vec<u8>>>>,
    end: Option<OwnedFd>,
    interposer: Option<JoinHandle<()>>,
}

impl Bus {
    /// A bus on which nothing happens to the commands.
    pub fn honest(swtpm: &Swtpm) -> Self {
        Self::with(swtpm, Box::new(|command, tpm| tpm(command)))
    }

    /// A bus with somebody on it.
    pub fn with(swtpm: &Swtpm, mut interposer: Interposer) -> Self {
        let (master, end, device) = pipe();
        let mut line = File::from(master);
        let mut tpm = File::options().read(true).write(true).open(&swtpm.device).unwrap();
        let mut to_tpm = move |command: &[u8]| {
            tpm.write_all(command).unwrap();
            message(&mut tpm).expect("an answer of swtpm")
        };
        let passed = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&passed);
        let interposer = std::thread::spawn(move || {
            // Until the device's end is closed.
            while let Some(command) = message(&mut line) {
                let answer = interposer(&command, &mut to_tpm);
                record.lock().unwrap().push(command);
                line.write_all(&answer).ok();
            }
        });
        Self { device, passed, end: Some(end), interposer: Some(interposer) }
    }

    /// The commands that were sent up to now.
    pub fn commands(&self) -> Vec<Vec<u8>> {
        self.passed.lock().unwrap().clone()
    }

    /// Their codes.
    pub fn codes(&self) -> Vec<u32> {
        self.commands().iter().map(|command| code(command)).collect()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(interposer) = self.interposer.take()
            && interposer.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the interposer failed");
        }
    }
}

/// A whole command or answer: its length stands behind the tag of two bytes.
fn message(line: &mut File) -> Option<Vec<u8>> {
    let mut message = vec![0; 6];
    line.read_exact(&mut message).ok()?;
    let length = u32::from_be_bytes(message[2..].try_into().unwrap());
    message.resize(usize::try_from(length).unwrap(), 0);
    line.read_exact(&mut message[6..]).ok()?;
    Some(message)
}

/// What a command is.
pub fn code(command: &[u8]) -> u32 {
    u32::from_be_bytes(command[6..10].try_into().unwrap())
}

/// An answer with this tag, code and body.
pub fn answer(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(10 + body.len()).unwrap();
    [&tag.to_be_bytes(), length.to_be_bytes().as_slice(), &code.to_be_bytes(), body].concat()
}
