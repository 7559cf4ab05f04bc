//! A software TPM 2.0 of its own for every VM.

use crate::tool::{self, Process};
use crate::{Bank, Result, scratch::Scratch};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The file with what a TPM keeps without power.
const PERMANENT: &str = "tpm2-00.permall";

/// Makes a new TPM's permanent state in `folder`.
pub(crate) fn set_up(banks: &[Bank], folder: &Path) -> Result<()> {
    let names: Vec<&str> = banks.iter().map(|bank| bank.name()).collect();
    let mut setup = tool::limited(Duration::from_secs(30), "swtpm_setup");
    setup.args(["--tpm2", "--overwrite", "--pcr-banks", &names.join(",")]);
    tool::finish(setup.arg("--tpmstate").arg(folder)).map(drop)
}

/// A running swtpm; killed on drop.
#[derive(Debug)]
pub struct Swtpm {
    _process: Process,
    banks: Vec<Bank>,
    scratch: Scratch,
}

impl Swtpm {
    /// Starts a TPM with the given active banks: a new one, or a copy of the one with this permanent state.
    pub fn start(banks: &[Bank], state: Option<&Path>) -> Result<Self> {
        let scratch = Scratch::new()?;
        match state {
            None => set_up(banks, scratch.folder())?,
            Some(state) => drop(std::fs::copy(state.join(PERMANENT), scratch.path(PERMANENT))?),
        }

        // Bound here and handed over as descriptor 0: whoever connects next finds it, nobody waits for a file to appear.
        let control = UnixListener::bind(scratch.path("control"))?;
        let messages = File::create(scratch.path("messages"))?;
        let mut swtpm = tool::tied("swtpm");
        swtpm.args(["socket", "--tpm2", "--ctrl", "type=unixio,fd=0", "--tpmstate"]);
        swtpm.arg(format!("dir={}", scratch.folder().display()));
        // From this level on it writes down what passes.
        swtpm.arg("--log").arg(format!("level=5,file={}", scratch.path("passed").display()));
        let process = Process(swtpm.stdin(OwnedFd::from(control)).stdout(Stdio::null()).stderr(messages).spawn()?);
        Ok(Self { _process: process, banks: banks.to_vec(), scratch })
    }

    /// The control socket: QEMU's while a VM runs, ours afterwards.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.scratch.path("control")
    }

    /// The codes of the commands that it was given up to now (`TPM_CC`), the firmware's first.
    pub fn commands(&self) -> Result<Vec<u32>> {
        let passed = std::fs::read_to_string(self.scratch.path("passed"))?;
        let commands = passed.split("SWTPM_IO_Read").skip(1).filter_map(|read| read.lines().nth(1));
        // Behind a tag of two bytes and a length of four.
        commands
            .map(|bytes| Ok(u32::from_str_radix(&bytes.split(' ').skip(7).take(4).collect::<String>(), 16)?))
            .collect()
    }

    /// The banks it was set up with.
    #[must_use]
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }
}
