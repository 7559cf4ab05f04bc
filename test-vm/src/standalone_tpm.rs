//! A TPM outside every machine: a person prepares it, and a machine then gets a copy of it.

use crate::pty::RawPty;
use crate::{Bank, Result, scratch::Scratch, swtpm, tool};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A swtpm behind a pseudo-terminal, which every program takes for a TPM's device.
#[derive(Debug)]
pub struct StandaloneTpm {
    _process: tool::Process,
    path: PathBuf,
    _device: OwnedFd,
    scratch: Scratch,
}

impl StandaloneTpm {
    /// A new TPM with these active banks. It has just been switched on.
    pub fn new(banks: &[Bank]) -> Result<Self> {
        let scratch = Scratch::new()?;
        swtpm::set_up(banks, scratch.folder())?;
        let pty = RawPty::open()?;
        let messages = File::create(scratch.path("messages"))?;
        let mut swtpm = tool::tied("sh");
        // swtpm refuses file descriptors below 3.
        let line = "exec swtpm chardev --tpm2 --fd 3 --flags not-need-init,startup-clear --tpmstate dir=$1 3<&0";
        swtpm.args(["-c", line, "sh"]).arg(scratch.folder());
        let process = swtpm.stdin(pty.tpm).stdout(Stdio::null()).stderr(messages).spawn()?;
        Ok(Self { _process: tool::Process(process), path: pty.path, _device: pty.device, scratch })
    }

    /// The path of the device.
    #[must_use]
    pub fn device(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }

    /// The folder with its permanent state.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.scratch.folder()
    }

    /// Runs one of tpm2-tools in `folder`, and then flushes the TPM's objects: there is no resource manager.
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
