//! An interposer between QEMU and swtpm: it gives one command another answer than the TPM's, gives none, or kills swtpm.
//!
//! It speaks swtpm's protocol (`swtpm_ioctls(3)`). The messages of the control channel pass unread, but for the descriptor of the
//! data channel, which comes with CMD_SET_DATAFD: QEMU's end stays here, and swtpm gets another one. It ends with QEMU, so that the
//! TPM can then be read from outside.

use crate::{Result, Swtpm, ensure, scratch::Scratch};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recv, recvmsg, sendmsg};
use nix::unistd::{Pid, close};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// `TPM_CC_GetRandom` and `TPM_ORD_GetRandom` (TPM 2.0 Library, Part 2, section 6.5.2; TPM Main, Part 2, section 17): the kernel's random
/// number generator sends them at any time.
const GET_RANDOM: [u32; 2] = [0x17b, 0x46];
/// TPM2_GetRandom and TPM_GetRandom of 8 bytes (TPM 2.0 Library, Part 3, section 16.1; TPM Main, Part 3, section 13.6).
const RANDOM: &[u8] = &[0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8];
const RANDOM_12: &[u8] = &[0, 0xc1, 0, 0, 0, 14, 0, 0, 0, 0x46, 0, 0, 0, 8];

/// Makes an answer of the right one (empty if the TPM has not run the command) and of the right one to GetRandom. Its header must
/// give its length, at least 10: QEMU reads as much as the header says.
pub type Spoil = Box<dyn Fn(&[u8], &[u8]) -> Vec<u8>>;

/// What the interposer does with a command. `has_run` says whether the TPM has run it all the same.
pub enum Met {
    /// Another answer.
    Answered {
        /// See above.
        has_run: bool,
        /// What it is.
        spoil: Spoil,
    },
    /// No answer to this command, nor to any later one.
    Silent {
        /// See above.
        has_run: bool,
    },
    /// swtpm is killed.
    Gone {
        /// See above.
        has_run: bool,
    },
}

/// Chooses what is done with a command, by its place among the agent's commands and its code. `None` passes it on.
pub type ChooseFault = Box<dyn FnMut(usize, u32) -> Option<Met> + Send>;

/// The interposer. It ends with QEMU.
#[derive(Debug)]
pub struct FaultyTpm {
    scratch: Scratch,
    codes: Arc<Mutex<Vec<u32>>>,
}

impl FaultyTpm {
    /// An interposer in front of `swtpm`. The agent's commands start at the one for which `begins` is true, at whose code and bytes
    /// it looks. Those before are the firmware's and the kernel's.
    pub fn before(swtpm: &Swtpm, begins: fn(&[u8]) -> bool, choose: ChooseFault) -> Result<Self> {
        let (scratch, codes) = (Scratch::new()?, Arc::default());
        let listener = UnixListener::bind(scratch.path("control"))?;
        let (control, process) = (swtpm.control(), swtpm.process()?);
        let random = if swtpm.is_version_12() { RANDOM_12 } else { RANDOM };
        let bus = Bus { process, random, begins, choose, codes: Arc::clone(&codes), is_begun: false };
        // An error closes the channels, and the guest sees a broken TPM.
        thread::spawn(move || relay_control(&listener.accept()?.0, &control, bus));
        Ok(Self { scratch, codes })
    }

    /// The control socket for QEMU.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.scratch.path("control")
    }

    /// The codes of the agent's commands until now.
    #[must_use]
    pub fn codes(&self) -> Vec<u32> {
        self.codes.lock().map(|codes| codes.clone()).unwrap_or_default()
    }
}

impl Drop for FaultyTpm {
    fn drop(&mut self) {
        // Ends a thread that still waits for QEMU.
        UnixStream::connect(self.control()).ok();
    }
}

/// The data channel.
struct Bus {
    process: Pid,
    /// The command whose answer is the right one to another command.
    random: &'static [u8],
    begins: fn(&[u8]) -> bool,
    choose: ChooseFault,
    codes: Arc<Mutex<Vec<u32>>>,
    is_begun: bool,
}

fn relay_control(qemu: &UnixStream, control: &Path, bus: Bus) -> io::Result<()> {
    let swtpm = UnixStream::connect(control)?;
    let (mut answers, mut back) = (swtpm.try_clone()?, qemu.try_clone()?);
    thread::spawn(move || {
        let done = io::copy(&mut answers, &mut back);
        back.shutdown(Shutdown::Both).ok();
        done
    });
    let (mut bus, mut bytes) = (Some(bus), [0; 4096]);
    let done = loop {
        let (length, data) = receive(qemu, &mut bytes)?;
        if length == 0 {
            break Ok(());
        }
        match (data, bus.take()) {
            (Some(data), Some(bus)) => {
                let (ours, theirs) = UnixStream::pair()?;
                thread::spawn(move || bus.relay(&data, &ours));
                send(&swtpm, &bytes[..length], &[theirs.as_raw_fd()])?;
            }
            (None, untaken) => {
                bus = untaken;
                send(&swtpm, &bytes[..length], &[])?;
            }
            (Some(_), None) => break Err(io::Error::other("QEMU sends a second data channel")),
        }
    };
    swtpm.shutdown(Shutdown::Both).ok();
    done
}

/// A part of the control channel, and the data channel that came with it.
fn receive(from: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Option<DataChannel>)> {
    let (mut room, mut parts) = (nix::cmsg_space!([RawFd; 1]), [IoSliceMut::new(bytes)]);
    let message = recvmsg::<UnixAddr>(from.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let data = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    Ok((message.bytes, data.map(DataChannel)))
}

/// QEMU's data channel: a socket that came over another one. The standard library takes such a number only in unsafe code.
struct DataChannel(RawFd);

impl Read for &DataChannel {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, bytes, MsgFlags::empty())?)
    }
}

impl Write for &DataChannel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(nix::sys::socket::send(self.0, bytes, MsgFlags::MSG_NOSIGNAL)?)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for DataChannel {
    fn drop(&mut self) {
        close(self.0).ok();
    }
}

fn send(to: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let rights = if descriptors.is_empty() { &[] } else { rights.as_slice() };
    let sent = sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::empty(), None)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("swtpm took only a part")) }
}

impl Bus {
    /// Passes on commands and answers until QEMU or swtpm ends.
    fn relay(mut self, mut qemu: &DataChannel, mut swtpm: &UnixStream) -> Result<()> {
        let mut run = |command: &[u8]| -> Result<Vec<u8>> {
            swtpm.write_all(command)?;
            message(swtpm)
        };
        loop {
            let command = message(qemu)?;
            match self.met(&command) {
                None => qemu.write_all(&run(&command)?)?,
                Some(Met::Answered { has_run, spoil }) => {
                    let right = if has_run { run(&command)? } else { Vec::new() };
                    qemu.write_all(&spoil(&right, &run(self.random)?))?;
                }
                Some(Met::Silent { has_run }) => {
                    if has_run {
                        run(&command)?;
                    }
                    // The end of QEMU ends this.
                    io::copy(&mut qemu, &mut io::sink())?;
                    return Ok(());
                }
                Some(Met::Gone { has_run }) => {
                    if has_run {
                        run(&command)?;
                    }
                    kill(self.process, Signal::SIGKILL)?;
                    return Ok(());
                }
            }
        }
    }

    /// What is done with this command.
    fn met(&mut self, command: &[u8]) -> Option<Met> {
        let code = u32::from_be_bytes(command.get(6..10)?.try_into().ok()?);
        self.is_begun |= (self.begins)(command);
        if !self.is_begun || GET_RANDOM.contains(&code) {
            return None;
        }
        let mut codes = self.codes.lock().ok()?;
        codes.push(code);
        (self.choose)(codes.len() - 1, code)
    }
}

/// A whole command or answer. Its length follows the tag of two bytes.
fn message(mut from: impl Read) -> Result<Vec<u8>> {
    let mut header = [0; 6];
    from.read_exact(&mut header)?;
    let [_, _, length @ ..] = header;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    ensure!((10..=4096).contains(&length), "a message of {length} bytes");
    let mut message = header.to_vec();
    message.resize(length, 0);
    from.read_exact(&mut message[header.len()..])?;
    Ok(message)
}
