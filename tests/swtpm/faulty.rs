//! A bus to a software TPM with one fault. Unlike [`super::bus::Bus`], it may stay silent, and it may be gone.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use measureroot::internal::hash::{Bank, Digest};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::bus::{PCR_EXTEND, code, message};
use super::version12::EXTEND;
use super::{Swtpm, pty};

/// TPM2_GetRandom and TPM_GetRandom of 8 bytes (TPM 2.0 Library, Part 3, section 16.1; TPM Main, Part 3, section 13.6).
const GET_RANDOM: &[u8] = &[0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8];
const GET_RANDOM_12: &[u8] = &[0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x46, 0, 0, 0, 8];

/// Makes an answer of the right one (empty if the TPM has not run the command) and of the right one to TPM2_GetRandom.
pub(crate) type Spoil = Box<dyn Fn(&[u8], &[u8]) -> Vec<u8>>;

/// What the bus does with a command instead of passing it on.
pub(crate) enum Met {
    /// Another answer. `has_run`: the TPM has run the command all the same.
    Answered { has_run: bool, spoil: Spoil },
    /// No answer to this command, nor to any later one. `has_run` as above.
    Silent { has_run: bool },
    /// The device is gone. `has_run` as above.
    Gone { has_run: bool },
}

/// What came over the bus.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The codes of the commands.
    pub(crate) codes: Vec<u32>,
    /// The digests of the extends that the TPM has made: SHA-256, or SHA-1 of a TPM 1.2.
    pub(crate) extends: Vec<Digest>,
}

/// The bus.
pub(crate) struct FaultyBus {
    /// The path of the device.
    pub(crate) device: PathBuf,
    open: OwnedFd,
    stop: UnixStream,
    thread: JoinHandle<Seen>,
}

impl FaultyBus {
    /// A bus. `fault` gets the number and the code of each command; `None` passes it on.
    pub(crate) fn new(swtpm: &Swtpm, mut fault: impl FnMut(usize, u32) -> Option<Met> + Send + 'static) -> Self {
        let pty = pty();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let mut line = File::from(pty.tpm);
        let mut tpm = File::options().read(true).write(true).open(&swtpm.device).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut seen, mut is_silent) = (Seen::default(), false);
            let mut run = |command: &[u8], seen: &mut Seen| {
                tpm.write_all(command).unwrap();
                let answer = message(&mut tpm).expect("an answer of swtpm");
                if answer[6..10] == [0; 4] {
                    match code(command) {
                        PCR_EXTEND => seen.extends.extend(sha256_of_extend(command)),
                        // Header, PCR, digest (TPM Main, Part 3, section 16.1).
                        EXTEND => seen.extends.extend(Digest::from_bytes(Bank::Sha1, &command[14..])),
                        _ => {}
                    }
                }
                answer
            };
            while let Some(command) = next(&mut line, &stopped) {
                let met = if is_silent { None } else { fault(seen.codes.len(), code(&command)) };
                seen.codes.push(code(&command));
                match met {
                    _ if is_silent => {}
                    None => drop(line.write_all(&run(&command, &mut seen))),
                    Some(Met::Answered { has_run, spoil }) => {
                        let right = if has_run { run(&command, &mut seen) } else { Vec::new() };
                        let other = if command[0] == 0 { GET_RANDOM_12 } else { GET_RANDOM };
                        line.write_all(&spoil(&right, &run(other, &mut seen))).ok();
                    }
                    Some(Met::Silent { has_run }) => {
                        is_silent = true;
                        if has_run {
                            run(&command, &mut seen);
                        }
                    }
                    Some(Met::Gone { has_run }) => {
                        if has_run {
                            run(&command, &mut seen);
                        }
                        // The end of the terminal closes with the thread.
                        break;
                    }
                }
            }
            seen
        });
        Self { device: pty.path, open: pty.device, stop, thread }
    }

    /// Ends it. A thread that still waits for an answer gets an error.
    pub(crate) fn seen(self) -> Seen {
        drop((self.stop, self.open));
        self.thread.join().expect("the bus failed")
    }
}

/// The next command. `None` after the end of the bus.
fn next(line: &mut File, stopped: &UnixStream) -> Option<Vec<u8>> {
    let mut wait = [PollFd::new(line.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
    poll(&mut wait, PollTimeout::NONE).unwrap();
    let is_over = wait[1].any().unwrap_or(true);
    if is_over { None } else { message(line) }
}

/// The SHA-256 digest of TPM2_PCR_Extend (TPM 2.0 Library, Part 3, section 22.2): header, PCR, authorizations, list of digests.
/// `None` if it extends other banks only.
fn sha256_of_extend(command: &[u8]) -> Option<Digest> {
    let number =
        |at: usize, length: usize| command[at..at + length].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let list = 18 + number(14, 4);
    let mut at = list + 4;
    for _ in 0..number(list, 4) {
        let bank = match number(at, 2) {
            0x04 => Bank::Sha1,
            0x0b => Bank::Sha256,
            0x0c => Bank::Sha384,
            0x0d => Bank::Sha512,
            other => panic!("an extend of the bank 0x{other:x}"),
        };
        let length = Digest::zero(bank).as_bytes().len();
        if bank == Bank::Sha256 {
            return Digest::from_bytes(bank, &command[at + 2..at + 2 + length]).ok();
        }
        at += 2 + length;
    }
    None
}
