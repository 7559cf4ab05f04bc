//! The options that predict what is measured before the agent.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::start::Start;
use crate::chain::forecasts::Forecasts;
use crate::chain::kernel::{Kernel, Named};
use crate::chain::uki::Uki;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::Result;
use crate::hash::bank::Bank;

/// What the firmware starts, and what it gives to it.
#[derive(Debug, Args)]
pub(super) struct Chain {
    /// A unified kernel image with systemd's stub, which the firmware starts: predict what is measured before the agent.
    #[arg(long, value_name = "FILE", group = "start", conflicts_with = "list")]
    uki: Option<PathBuf>,
    /// A kernel with an EFI stub, which the firmware starts: predict what is measured before the agent.
    #[arg(long, value_name = "FILE", group = "start", conflicts_with = "list")]
    kernel: Option<PathBuf>,
    /// An initrd that LoadFile2 hands to the kernel; may be given more than once, for files one behind the other [default: none].
    // clap ignores `requires` if a conflict excludes what is required.
    #[arg(long = "initrd", value_name = "FILE", requires = "kernel", conflicts_with = "uki")]
    initrds: Vec<PathBuf>,
    /// The command line that the firmware's boot option gives to what it starts [default: none].
    #[arg(long, value_name = "WORDS", requires = "start")]
    append: Option<String>,
}

impl Chain {
    /// Whether the user names something that firmware starts.
    pub(super) fn is_given(&self) -> bool {
        self.uki.is_some() || self.kernel.is_some()
    }

    /// The command line from outside.
    pub(super) fn append(&self) -> Option<&str> {
        self.append.as_deref()
    }

    /// Reads the files and predicts. `None` if the user names nothing that firmware starts.
    pub(super) fn forecasts(&self, banks: &[Bank]) -> Result<Option<(Start, Forecasts)>> {
        if let Some(path) = &self.uki {
            let (name, bytes) = (name(path), program(path)?);
            let uki = Uki::parse(&name, &bytes)?;
            let forecasts = uki.forecasts(self.append(), banks)?;
            let stub = uki.stub().to_string();
            return Ok(Some((Start::Uki { uki: name, stub }, forecasts)));
        }
        let Some(path) = &self.kernel else { return Ok(None) };
        let (kernel_name, bytes) = (name(path), program(path)?);
        let kernel = Kernel::parse(&kernel_name, &bytes)?;
        let read = |path: &PathBuf| Ok(Named { name: name(path), bytes: Cow::Owned(program(path)?) });
        let initrds = self.initrds.iter().map(read).collect::<Result<Vec<_>>>()?;
        let forecasts = kernel.forecasts(self.append(), &initrds, banks)?;
        let initrds = initrds.into_iter().map(|initrd| initrd.name).collect();
        let linux = kernel.linux().to_string();
        Ok(Some((Start::Kernel { kernel: kernel_name, linux, initrds }, forecasts)))
    }
}

fn program(path: &Path) -> Result<Vec<u8>> {
    read_limited::read(path, read_limited::PROGRAM, Kinds::File)
}

/// The name of a file without its folder: the events are the same wherever it lies.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or(AsRef::<OsStr>::as_ref(path)).display().to_string()
}
