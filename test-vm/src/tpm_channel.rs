//! A channel to a guest's TPM from outside the guest: swtpm's control socket gives one away.

use crate::pty::RawPty;
use crate::{Bank, Result, bank, ensure};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// `CMD_SET_DATAFD` (`swtpm_ioctls(3)`). `CMD_INIT` would reset the TPM, so the harness never sends it.
const CMD_SET_DATAFD: u32 = 0x10;
/// The time limit for an answer of swtpm.
const LIMIT: Duration = Duration::from_secs(20);

/// A channel to a TPM whose VM has stopped.
#[derive(Debug)]
pub struct TpmChannel {
    data: UnixStream,
    // If it were closed, swtpm would close the data channel too.
    _control: UnixStream,
}

impl TpmChannel {
    /// Connects to the control socket of a swtpm that QEMU does not use any more.
    pub fn connect(control: &Path) -> Result<Self> {
        let mut stream = UnixStream::connect(control)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let (data, theirs) = UnixStream::pair()?;
        data.set_read_timeout(Some(LIMIT))?;
        let command = CMD_SET_DATAFD.to_be_bytes();
        let rights = [theirs.as_raw_fd()];
        sendmsg::<()>(
            stream.as_raw_fd(),
            &[IoSlice::new(&command)],
            &[ControlMessage::ScmRights(&rights)],
            MsgFlags::empty(),
            None,
        )?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        ensure!(answer == [0; 4], "swtpm refuses a data channel: {}", u32::from_be_bytes(answer));
        Ok(Self { data, _control: stream })
    }

    /// Sends one TPM command and returns the whole answer.
    pub fn command(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        self.data.write_all(command)?;
        let mut answer = vec![0; HEADER];
        self.data.read_exact(&mut answer)?;
        let size = usize::try_from(number(&answer, 2, 4)?)?;
        ensure!(size >= HEADER, "a TPM answer of {size} bytes");
        answer.resize(size, 0);
        self.data.read_exact(&mut answer[HEADER..])?;
        Ok(answer)
    }

    /// Passes on commands and answers until there are no more commands.
    pub fn relay(&mut self, mut commands: impl Read, mut answers: impl Write) -> Result<()> {
        let mut header = [0; 6];
        // A command starts with its tag and size. An input that ends between two commands has ended.
        while commands.read_exact(&mut header).is_ok() {
            let [_, _, size @ ..] = header;
            let rest = usize::try_from(u32::from_be_bytes(size))?.saturating_sub(header.len());
            let mut command = header.to_vec();
            command.resize(header.len() + rest, 0);
            commands.read_exact(&mut command[header.len()..])?;
            answers.write_all(&self.command(&command)?)?;
            answers.flush()?;
        }
        Ok(())
    }

    /// Makes a device of the channel and calls `work` with its path. It serves programs that only know TPM devices.
    pub fn serve<T>(mut self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let RawPty { tpm, device, path } = RawPty::open()?;
        let line = File::from(tpm);
        std::thread::scope(|scope| {
            let server = scope.spawn(|| self.relay(&line, &line));
            let done = work(&path);
            // Now no program has the device open, and the relay ends.
            drop(device);
            server.join().map_err(|_| "the thread ended early")?.and(done)
        })
    }

    /// Reads one PCR of a TPM 2.0, in hex.
    pub fn pcr(&mut self, bank: Bank, index: u8) -> Result<String> {
        // TPM2_PCR_Read (TPM 2.0 Library, Part 3, section 22.4): tag, size, code, and one selection, which is an algorithm and
        // a bitmap of 3 bytes.
        let mut command = vec![0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7E, 0, 0, 0, 1];
        command.extend(bank.algorithm().to_be_bytes());
        command.push(3);
        command.extend(&(1_u32 << index).to_le_bytes()[..3]);
        let answer = self.command(&command)?;
        let code = number(&answer, 6, 4)?;
        ensure!(code == 0, "TPM2_PCR_Read: {code:#010x}");
        // The answer: header, update counter (4), selection (4 + 6), count of digests (4), length (2), digest.
        ensure!(number(&answer, 24, 4)? == 1, "TPM2_PCR_Read: the bank {} is not active", bank.name());
        let length = usize::try_from(number(&answer, 28, 2)?)?;
        let digest = answer.get(30..30 + length).ok_or("TPM2_PCR_Read: a short answer")?;
        Ok(bank::hex(digest))
    }

    /// Reads one PCR of a TPM 1.2, in hex.
    pub fn pcr_of_version_12(&mut self, index: u8) -> Result<String> {
        // TPM_PCRRead (TPM Main, Part 3, section 16.2): tag, size, code, PCR. The answer has the value behind its header.
        let answer = self.command(&[0x00, 0xC1, 0, 0, 0, 14, 0, 0, 0, 0x15, 0, 0, 0, index])?;
        let code = number(&answer, 6, 4)?;
        ensure!(code == 0 && answer.len() == HEADER + 20, "TPM_PCRRead: {code:#010x}, {} bytes", answer.len());
        Ok(bank::hex(&answer[HEADER..]))
    }
}

/// Tag, size and code of a TPM answer.
const HEADER: usize = 10;

/// The big-endian number of `length` bytes at `at`.
fn number(answer: &[u8], at: usize, length: usize) -> Result<u32> {
    let bytes = answer.get(at..at + length).ok_or("a short TPM answer")?;
    Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}
