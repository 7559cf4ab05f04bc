//! A TPM on the desk, in no machine: what a person prepares with it, a machine finds that gets a copy of it.

use crate::{Bank, Result, scratch::Scratch, swtpm, tool};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A swtpm behind a pseudo-terminal, which every program takes for a TPM's device.
#[derive(Debug)]
pub struct StandaloneTpm {
    _process: tool::Process,
    device: PathBuf,
    // Open, so that swtpm sees no hang-up between two programs.
    _end: OwnedFd,
    scratch: Scratch,
}

impl StandaloneTpm {
    /// A new TPM, just switched on.
    pub fn new(banks: &[Bank]) -> Result<Self> {
        let scratch = Scratch::new()?;
        swtpm::set_up(banks, scratch.folder())?;
        let pty = openpty(None, None)?;
        let mut settings = tcgetattr(&pty.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
        let device = std::fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd()))?;
        let messages = File::create(scratch.path("messages"))?;
        let mut swtpm = tool::tied("sh");
        // It takes no descriptor below 3.
        let line = "exec swtpm chardev --tpm2 --fd 3 --flags not-need-init,startup-clear --tpmstate dir=$1 3<&0";
        swtpm.args(["-c", line, "sh"]).arg(scratch.folder());
        let process = swtpm.stdin(pty.master).stdout(Stdio::null()).stderr(messages).spawn()?;
        Ok(Self { _process: tool::Process(process), device, _end: pty.slave, scratch })
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &str {
        self.device.to_str().unwrap_or_default()
    }

    /// Where its permanent state is.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.scratch.folder()
    }

    /// Runs one of tpm2-tools in `folder` and makes room for the next: nobody manages the TPM's memory here.
    pub fn tool(&self, folder: &Path, line: &[&str]) -> Result<String> {
        let mut said = String::new();
        for line in [line, &["tpm2_flushcontext", "--transient-object"]] {
            let mut command = tool::limited(Duration::from_secs(30), line[0]);
            command.args(&line[1..]).current_dir(folder).env("TPM2TOOLS_TCTI", format!("device:{}", self.device()));
            said += &tool::finish(&mut command)?;
        }
        Ok(said)
    }
}
