//! A software TPM 2.0 of its own for every VM.

use crate::tool::{self, Process};
use crate::{Bank, Result, scratch::Scratch};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// A running swtpm; killed on drop.
#[derive(Debug)]
pub struct Swtpm {
    _process: Process,
    banks: Vec<Bank>,
    scratch: Scratch,
}

impl Swtpm {
    /// Starts a new TPM with the given active banks.
    pub fn start(banks: &[Bank]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let names: Vec<&str> = banks.iter().map(|bank| bank.name()).collect();
        let mut setup = tool::limited(Duration::from_secs(30), "swtpm_setup");
        setup.args(["--tpm2", "--overwrite", "--pcr-banks", &names.join(",")]);
        tool::finish(setup.arg("--tpmstate").arg(scratch.folder()))?;

        // Bound here and handed over as descriptor 0: whoever connects next finds it, nobody waits for a file to appear.
        let control = UnixListener::bind(scratch.path("control"))?;
        let messages = File::create(scratch.path("messages"))?;
        let mut swtpm = tool::tied("swtpm");
        swtpm.args(["socket", "--tpm2", "--ctrl", "type=unixio,fd=0", "--tpmstate"]);
        swtpm.arg(format!("dir={}", scratch.folder().display()));
        let process = Process(swtpm.stdin(OwnedFd::from(control)).stdout(Stdio::null()).stderr(messages).spawn()?);
        Ok(Self { _process: process, banks: banks.to_vec(), scratch })
    }

    /// The control socket: QEMU's while a VM runs, ours afterwards.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.scratch.path("control")
    }

    /// The banks it was set up with.
    #[must_use]
    pub fn banks(&self) -> &[Bank] {
        &self.banks
    }
}
