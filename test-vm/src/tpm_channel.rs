//! The TPM seen from outside the guest: swtpm's control socket hands out a channel for TPM commands.

use crate::{Bank, Result, bank, ensure};
use nix::pty::openpty;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// `CMD_SET_DATAFD` (`swtpm_ioctls(3)`). `CMD_INIT` would reset the TPM and is never sent.
const CMD_SET_DATAFD: u32 = 0x10;
/// How long swtpm may take for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A channel to a TPM whose VM has ended.
#[derive(Debug)]
pub struct TpmChannel {
    data: UnixStream,
    // Closing it would end the data channel too.
    _control: UnixStream,
}

impl TpmChannel {
    /// Connects to the control socket of a swtpm that no QEMU uses any more.
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

    /// Passes on commands and answers until the commands end.
    pub fn relay(&mut self, mut commands: impl Read, mut answers: impl Write) -> Result<()> {
        let mut header = [0; 6];
        // Tag and size come first; the end of the input between two commands is the end.
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

    /// Is a TPM's device while `work` is done with its path, for programs that know nothing else: a pseudo-terminal.
    pub fn serve<T>(mut self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let pty = openpty(None, None)?;
        let mut settings = tcgetattr(&pty.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
        let (path, line) = (ttyname(&pty.slave)?, File::from(pty.master));
        std::thread::scope(|scope| {
            let server = scope.spawn(|| self.relay(&line, &line));
            let done = work(&path);
            // Nobody has it open any more: the commands end.
            drop(pty.slave);
            server.join().map_err(|_| "the thread ended early")?.and(done)
        })
    }

    /// Reads one PCR, in hex.
    pub fn pcr(&mut self, bank: Bank, index: u8) -> Result<String> {
        // TPM2_PCR_Read (TPM 2.0 Library part 3, 22.4): tag, size, code; one selection: algorithm, 3 bytes of bit map.
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
}

/// Tag, size and code of a TPM answer.
const HEADER: usize = 10;

/// The big-endian number of `length` bytes at `at`.
fn number(answer: &[u8], at: usize, length: usize) -> Result<u32> {
    let bytes = answer.get(at..at + length).ok_or("a short TPM answer")?;
    Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}
