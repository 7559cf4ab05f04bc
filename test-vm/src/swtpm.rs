//! A software TPM. Every VM has its own.

use crate::tool::{self, Process};
use crate::{Bank, Result, scratch::Scratch};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The file with the state that a TPM keeps without power.
const PERMANENT: &str = "tpm2-00.permall";

/// Makes a new TPM's permanent state in `folder`.
pub(crate) fn set_up(banks: &[Bank], folder: &Path) -> Result<()> {
    let names: Vec<&str> = banks.iter().map(|bank| bank.name()).collect();
    set_up_with(&["--tpm2", "--pcr-banks", &names.join(",")], folder)
}

pub(crate) fn set_up_with(arguments: &[&str], folder: &Path) -> Result<()> {
    let mut setup = tool::limited(Duration::from_secs(30), "swtpm_setup");
    tool::finish(setup.arg("--overwrite").args(arguments).arg("--tpmstate").arg(folder)).map(drop)
}

/// A running swtpm; killed on drop.
#[derive(Debug)]
pub struct Swtpm {
    process: Process,
    version_12: bool,
    banks: Vec<Bank>,
    scratch: Scratch,
}

impl Swtpm {
    /// Starts a TPM with these active banks: a new one, or a copy of the one whose permanent state is in the folder `state`.
    pub fn start(banks: &[Bank], state: Option<&Path>) -> Result<Self> {
        let scratch = Scratch::new()?;
        match state {
            None => set_up(banks, scratch.folder())?,
            Some(state) => drop(std::fs::copy(state.join(PERMANENT), scratch.path(PERMANENT))?),
        }
        Self::started(false, banks, scratch)
    }

    /// Starts a new TPM 1.2. Its only bank is SHA-1.
    pub fn start_version_12() -> Result<Self> {
        let scratch = Scratch::new()?;
        set_up_with(&[], scratch.folder())?;
        Self::started(true, &[Bank::Sha1], scratch)
    }

    fn started(version_12: bool, banks: &[Bank], scratch: Scratch) -> Result<Self> {
        // The socket is bound here and becomes swtpm's file descriptor 0. So a client can connect at once.
        let control = UnixListener::bind(scratch.path("control"))?;
        let messages = File::create(scratch.path("messages"))?;
        let mut swtpm = tool::tied("swtpm");
        let version: &[&str] = if version_12 { &[] } else { &["--tpm2"] };
        swtpm.arg("socket").args(version).args(["--ctrl", "type=unixio,fd=0", "--tpmstate"]);
        swtpm.arg(format!("dir={}", scratch.folder().display()));
        // From this level on, swtpm logs every command and answer.
        swtpm.arg("--log").arg(format!("level=5,file={}", scratch.path("commands").display()));
        let process = Process(swtpm.stdin(OwnedFd::from(control)).stdout(Stdio::null()).stderr(messages).spawn()?);
        Ok(Self { process, version_12, banks: banks.to_vec(), scratch })
    }

    /// The control socket. QEMU uses it while the VM runs, the harness uses it afterwards.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.scratch.path("control")
    }

    /// How tpm2-tools reach it after its VM has stopped, through the program `tpm-relay` at this path.
    #[must_use]
    pub fn tcti(&self, relay: &str) -> String {
        format!("cmd:{relay} {}", self.control().display())
    }

    /// The folder with its permanent state.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.scratch.folder()
    }

    /// From now on it answers nothing.
    pub(crate) fn silence(&self) -> Result<()> {
        Ok(kill(self.process()?, Signal::SIGSTOP)?)
    }

    /// Its process.
    pub(crate) fn process(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.process.0.id())?))
    }

    /// The codes of all commands until now (`TPM_CC`), the firmware's first.
    pub fn commands(&self) -> Result<Vec<u32>> {
        let log = std::fs::read_to_string(self.scratch.path("commands"))?;
        let commands = log.split("SWTPM_IO_Read").skip(1).filter_map(|read| read.lines().nth(1));
        // A command is a tag of two bytes, a length of four, and its code.
        commands
            .map(|bytes| Ok(u32::from_str_radix(&bytes.split(' ').skip(7).take(4).collect::<String>(), 16)?))
            .collect()
    }

    /// Whether it is a TPM 1.2.
    #[must_use]
    pub fn is_version_12(&self) -> bool {
        self.version_12
    }

    /// The banks it was set up with.
    #[must_use]
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }
}
