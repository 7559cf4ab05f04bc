//! The line to the TPM: one command at a time, with a limit for each wait.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Failure, LONGEST, missing, response_code};
use crate::asked::Asked;
use crate::family::Family;

/// After this time without an answer, the log has a message.
const UNNOTICED: Duration = Duration::from_secs(5);
/// The pauses before a command is sent again grow from the first to the last. The kernel's first is the same (Linux,
/// drivers/char/tpm/tpm.h, `TPM2_DURATION_SHORT`). It repeats `TPM_RC_RETRY` and `TPM_RC_TESTING` itself, for 2.5 s.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// How often a command is sent again after the kernel's driver lost it.
const LOST: u32 = 2;
/// The longest time that the kernel's driver waits for a command: TPM2_CreatePrimary (Linux, drivers/char/tpm/tpm.h,
/// `TPM2_DURATION_LONG_LONG`). Nothing ends it earlier.
pub const LONGEST_OF_KERNEL: Duration = Duration::from_secs(300);

/// Whether a command had no answer in time.
static SILENCE: AtomicBool = AtomicBool::new(false);

/// Whether some command of this program had no answer in time. The kernel's driver may still wait for it.
#[must_use]
pub fn met_silence() -> bool {
    SILENCE.load(Ordering::Acquire)
}

/// The open device of a TPM.
pub struct Line {
    node: PathBuf,
    family: Family,
    device: Arc<File>,
    patience: Mutex<Duration>,
    last: Mutex<Result<u32, Failure>>,
}

impl Line {
    /// Opens the device of a TPM of this family. No command may take longer than `patience`.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(node: &Path, family: Family, patience: Duration) -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open(node)?;
        let (device, patience) = (Arc::new(device), Mutex::new(patience));
        Ok(Self { node: node.to_owned(), family, device, patience, last: Mutex::new(Ok(0)) })
    }

    /// Changes how long a command may take.
    pub fn set_patience(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// The response code of the last command, or why it had none.
    ///
    /// # Errors
    /// If it had none.
    pub fn last(&self) -> Result<u32, Failure> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command, and returns the whole answer. It is sent again if the TPM asks for that.
    ///
    /// # Errors
    /// If there is no answer in time, or if it is malformed.
    pub fn run(&self, command: &[u8]) -> Result<Vec<u8>, Failure> {
        // The device still works on the command before.
        if let Err(failure @ Failure::Silent(_)) = self.last() {
            return Err(failure);
        }
        let answer = self.repeated(command);
        let last = answer.as_ref().map(|(code, _)| *code).map_err(|failure| *failure);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        answer.map(|(_, answer)| answer)
    }

    fn repeated(&self, command: &[u8]) -> Result<(u32, Vec<u8>), Failure> {
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, [first, longest]) = (Instant::now(), PAUSES);
        let (mut pause, mut lost) = (first, 0);
        loop {
            let answer = match self.exchange(command, patience) {
                Err(Failure::Kernel(error)) if may_go_again(self.family, command, error) && lost < LOST => {
                    lost += 1;
                    let (node, name) = (self.node.display(), self.family.name(command));
                    log::warn!("{node}: {name}: the kernel's driver failed (error {error}): sends it again");
                    continue;
                }
                answer => answer?,
            };
            let code = response_code(self.family, &answer)?;
            if !self.family.asks_again(code) {
                return Ok((code, answer));
            }
            if start.elapsed() + pause > patience {
                return Err(Failure::Busy(code, patience));
            }
            if pause == first {
                let (node, name, seconds) = (self.node.display(), self.family.name(command), patience.as_secs());
                log::warn!("{node}: {name}: the TPM is busy (0x{code:x}): sends it again, for at most {seconds} s");
            }
            thread::sleep(pause);
            pause = (2 * pause).min(longest);
        }
    }

    /// Sends the command once. Another thread does it, because neither write(2) nor poll(2) of the device has a limit.
    fn exchange(&self, command: &[u8], patience: Duration) -> Result<Vec<u8>, Failure> {
        let (device, sent) = (Arc::clone(&self.device), command.to_vec());
        let asked = Asked::start(move || write_and_read(&device, &sent)).map_err(|error| kernel(&error))?;
        if let Some(answer) = asked.within(UNNOTICED.min(patience)) {
            return answer;
        }
        if patience > UNNOTICED {
            // It is no error, but only errors are shown in spite of `quiet`.
            let (node, name, seconds) = (self.node.display(), self.family.name(command), patience.as_secs());
            log::error!("{node}: {name}: no answer yet; waits for at most {seconds} s");
        }
        asked.within(patience.saturating_sub(UNNOTICED)).unwrap_or_else(|| {
            SILENCE.store(true, Ordering::Release);
            Err(Failure::Silent(patience))
        })
    }
}

fn write_and_read(mut device: &File, command: &[u8]) -> Result<Vec<u8>, Failure> {
    // The kernel takes a command only whole.
    if device.write(command).map_err(|error| kernel(&error))? != command.len() {
        return Err(Failure::Malformed("the kernel took only a part of the command"));
    }
    let mut answer = vec![0; LONGEST];
    let mut filled = 0;
    loop {
        // Older kernels give an answer only whole.
        let read = match device.read(&mut answer[filled..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(|error| kernel(&error))?,
        };
        filled += read;
        if read == 0 || missing(&answer[..filled]) == 0 {
            answer.truncate(filled);
            return Ok(answer);
        }
    }
}

fn kernel(error: &io::Error) -> Failure {
    error.raw_os_error().map_or(Failure::Malformed("the device returned no error number"), Failure::Kernel)
}

/// Whether nothing is wrong if the TPM gets the command again, after the kernel's driver failed with this error. For all commands but
/// an extend, this holds after every error: the driver lost the command or its answer (ETIME, EIO, ECANCELED), got another answer
/// than it expected (EFAULT), its bus failed (ETIMEDOUT, EREMOTEIO), or the next failure says the same again.
///
/// A second extend would not be the same as one. But after EPIPE the TPM did not get the first: the driver could not get the TPM
/// ready (Linux, drivers/char/tpm/tpm-dev-common.c, `tpm_common_write`).
fn may_go_again(family: Family, command: &[u8], error: i32) -> bool {
    const EPIPE: i32 = 32;
    error == EPIPE || !family.extends(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_lost_is_sent_again_unless_it_extends() {
        let command = |code: u16| [&[0; 8], code.to_be_bytes().as_slice()].concat();
        // TPM2_CreatePrimary, TPM2_PCR_Read and the extend; TPM_GetCapability, TPM_PCRRead and the extend.
        for (family, others, extend) in [(Family::V2_0, [0x131, 0x17e], 0x182), (Family::V1_2, [0x65, 0x15], 0x14)] {
            // EIO, EFAULT, ETIME, ETIMEDOUT, EREMOTEIO, ECANCELED.
            for error in [5, 14, 62, 110, 121, 125] {
                assert!(others.iter().all(|&other| may_go_again(family, &command(other), error)));
                assert!(!may_go_again(family, &command(extend), error));
            }
            // EPIPE: the TPM did not get it.
            assert!(may_go_again(family, &command(extend), 32));
        }
    }

    #[test]
    fn an_error_of_the_kernel_is_kept() {
        // /dev/full refuses each write with ENOSPC; /dev/null takes it, and answers nothing.
        let line = Line::open(Path::new("/dev/full"), Family::V2_0, UNNOTICED).unwrap();
        assert_eq!((line.run(&[0; 10]), line.last()), (Err(Failure::Kernel(28)), Err(Failure::Kernel(28))));
        let line = Line::open(Path::new("/dev/null"), Family::V1_2, UNNOTICED).unwrap();
        assert!(matches!(line.run(&[0; 10]), Err(Failure::Malformed(_))));
        assert_eq!(
            Line::open(Path::new("/no/such/tpm"), Family::V2_0, UNNOTICED).map(|_| ()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}
