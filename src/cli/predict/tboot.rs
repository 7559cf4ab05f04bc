//! The options about tboot, which a boot loader starts.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::boot::Boot;
use super::program_file::{name, program};
use super::start::Start;
use crate::chain::kernel::Named;
use crate::chain::tboot::launch_log::LaunchLog;
use crate::chain::tboot::prediction::{Given, Prediction};
use crate::chain::tboot::{Mapping, Mle, Module, kernel};
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// tboot, and what it gets. The kernel and the initrds are its modules.
#[derive(Debug, Args)]
pub(super) struct DynamicLaunch {
    /// tboot (tboot.gz), which a boot loader starts with --kernel and --initrd as its modules: predict PCR 17 to 19 of a launch with
    /// Intel TXT. No machine with TXT has confirmed it.
    #[arg(long = "tboot", value_name = "FILE", requires = "kernel", conflicts_with_all = ["uki", "esp", "disk"])]
    tboot: Option<PathBuf>,
    /// tboot's own command line, as the boot loader hands it over [default: none].
    #[arg(long, value_name = "WORDS", requires = "tboot")]
    tboot_append: Option<String>,
    /// Which PCR has what: details with a TPM 2.0, legacy with a TPM 1.2 (its sha1 alone).
    #[arg(long, value_name = "MAPPING", default_value = "details", requires = "tboot")]
    tboot_map: Map,
    /// The log of one good launch on such a machine: the part of PCR 17 and 18 that SINIT measures is that of this log [default: PCR 17
    /// and 18 do not follow].
    #[arg(long, value_name = "LOG", requires = "tboot")]
    launch_log: Option<PathBuf>,
}

/// The names of the mappings.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Map {
    Details,
    Legacy,
}

impl DynamicLaunch {
    /// Whether the user names it.
    pub(super) fn is_given(&self) -> bool {
        self.tboot.is_some()
    }

    /// Checks that the banks are some that the TPM of the mapping has.
    ///
    /// # Errors
    /// If the legacy mapping is asked for, and none of the banks is sha1.
    pub(super) fn check(&self, banks: &[Bank]) -> Result<()> {
        if matches!((self.is_given(), self.tboot_map), (true, Map::Legacy)) && !banks.contains(&Bank::Sha1) {
            let cause = "this mapping is that of a TPM 1.2, which has the bank sha1 alone, and --bank leaves it out";
            return Err(Error::new("--tboot-map legacy", cause).hint("add --bank sha1"));
        }
        Ok(())
    }

    /// Says which banks have no value: those that a TPM 1.2 has not.
    fn warn_of_banks(&self, banks: &[Bank]) {
        let others: Vec<_> = banks.iter().filter(|&&bank| bank != Bank::Sha1).map(|bank| bank.name()).collect();
        if matches!((self.is_given(), self.tboot_map), (true, Map::Legacy)) && !others.is_empty() {
            log::warn!(
                "--tboot-map legacy: PCR 17 to 19 have no value in {}: the TPM is a 1.2, which has sha1 alone",
                others.join(", ")
            );
        }
    }

    /// Reads the files and predicts. `None` if tboot is not named.
    pub(super) fn boots(
        &self,
        first: &Path,
        append: Option<&str>,
        initrds: &[PathBuf],
        banks: &[Bank],
    ) -> Result<Option<(Start, Vec<Boot>)>> {
        let Some(path) = &self.tboot else { return Ok(None) };
        self.warn_of_banks(banks);
        let tboot = Mle::parse(&name(path), &program(path)?)?;
        let log = self.launch_log.as_deref().map(launch_log).transpose()?;
        let read = |path: &Path| Ok(Named { name: name(path), bytes: Cow::Owned(program(path)?) });
        let files =
            [first].into_iter().chain(initrds.iter().map(PathBuf::as_path)).map(read).collect::<Result<Vec<_>>>()?;
        if let Some(Named { name, bytes }) = files.first() {
            kernel::check(name, bytes)?;
        }
        for Named { name, .. } in files.iter().skip(1).filter(|file| file.bytes.is_empty()) {
            log::warn!("{name}: is empty; tboot measures it all the same, and the kernel gets nothing of it");
        }
        let module = |(number, file)| match number {
            0 => Module { file, command_line: append.unwrap_or_default(), what: "the kernel" },
            _ => Module { file, command_line: "", what: "the initrd" },
        };
        let modules: Vec<_> = files.iter().enumerate().map(module).collect();
        let command_line = self.tboot_append.as_deref().unwrap_or_default();
        let mapping = match self.tboot_map {
            Map::Details => Mapping::Details,
            Map::Legacy => Mapping::Legacy,
        };
        let given = Given { tboot: &tboot, command_line, modules: &modules, mapping, log: log.as_ref() };
        let Prediction { forecasts, measured } = given.predict(banks)?;
        let mut names = files.iter().map(|file| file.name.clone());
        let kernel = names.next().unwrap_or_default();
        let start = Start::Tboot { tboot: name(path), kernel, initrds: names.collect(), measured };
        Ok(Some((start, vec![Boot { entry: None, forecasts, root: None }])))
    }
}

fn launch_log(path: &Path) -> Result<LaunchLog> {
    let log = LaunchLog::parse(&name(path), &read_limited::read(path, read_limited::LOG, Kinds::Stream)?)?;
    for note in log.notes() {
        log::warn!("{}: {note}", path.display());
    }
    Ok(log)
}
