//! A pseudo-terminal that passes every byte as it is. Programs take its path for a TPM's device.

use crate::Result;
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Both ends.
#[derive(Debug)]
pub struct RawPty {
    /// The end of the TPM.
    pub tpm: OwnedFd,
    /// The end of the programs. While it is open, the TPM sees no hang-up between two programs.
    pub device: OwnedFd,
    /// The path of the device.
    pub path: PathBuf,
}

impl RawPty {
    /// Opens a new one.
    pub fn open() -> Result<Self> {
        let pty = openpty(None, None)?;
        let mut settings = tcgetattr(&pty.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
        let path = ttyname(&pty.slave)?;
        Ok(Self { tpm: pty.master, device: pty.slave, path })
    }
}
