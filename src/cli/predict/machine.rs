//! The options that say what is known of the machine that boots.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::boot::Boot;
use super::program_file::name;
use crate::chain::efi_variables::{EfiVariables, GLOBAL_TEXT};
use crate::chain::like::Like;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::cmdline::number::decimal;
use crate::error::{Context, Error, Result};
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;

/// The longest file of a variable, in bytes: 1 MiB. A dbx has some ten kilobytes.
const VARIABLE: u64 = 1 << 20;

/// What is known of the machine.
#[derive(Debug, Args)]
pub(super) struct Machine {
    /// The firmware's log of one good boot of such a machine (binary_bios_measurements): the firmware's own PCRs are those of this
    /// log [default: they do not follow].
    #[arg(long, value_name = "LOG", requires = "start")]
    like: Option<PathBuf>,
    /// A folder with the firmware's variables SecureBoot, PK, KEK, db and dbx, as in /sys/firmware/efi/efivars: PCR 7, and whether
    /// Secure Boot is on [default: those of the log that --like names].
    #[arg(long, value_name = "FOLDER", requires = "start")]
    efivars: Option<PathBuf>,
    /// PCRs that have another value at each boot of such a machine, such as 1 where the firmware measures serial numbers or the reason of
    /// the power-on: they do not follow, and an entry of a list expects nothing of them [default: none].
    #[arg(long, value_name = "PCR", value_delimiter = ',', value_parser = pcr, requires = "start")]
    leave_out: Vec<Pcr>,
}

impl Machine {
    /// Whether nothing is to be expected of a PCR.
    pub(super) fn leaves_out(&self, pcr: Pcr) -> bool {
        self.leave_out.contains(&pcr)
    }

    /// Adds to each boot what follows from the machine.
    pub(super) fn expect(&self, boots: &mut [Boot], banks: &[Bank]) -> Result<()> {
        let variables = self.efivars.as_deref().map(variables).transpose()?;
        let like = self.like.as_deref().map(|path| like(path, banks)).transpose()?;
        for Boot { forecasts, .. } in &mut *boots {
            match (&like, &variables) {
                (Some(like), variables) => like.expect(forecasts, variables.as_ref(), banks),
                (None, Some(variables)) => variables.expect(forecasts, banks),
                (None, None) => {}
            }
        }
        for Boot { forecasts, .. } in boots {
            for pcr in &self.leave_out {
                forecasts.leave_out(*pcr);
            }
        }
        Ok(())
    }
}

fn pcr(text: &str) -> Result<Pcr> {
    let number = decimal(text).and_then(|number| u32::try_from(number).ok());
    Pcr::try_from(number.ok_or_else(|| Error::new(text, "not the number of a PCR"))?)
}

fn like(path: &Path, banks: &[Bank]) -> Result<Like> {
    let like = Like::parse(&name(path), &read_limited::read(path, read_limited::LOG, Kinds::Stream)?)?;
    for note in like.notes() {
        log::warn!("{}: {note}", path.display());
    }
    let missing: Vec<_> = like.missing(banks)?.iter().map(|bank| bank.name()).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        log::warn!("{}: has no digests in {missing}: the PCRs of the firmware have no values there", path.display());
    }
    Ok(like)
}

fn variables(folder: &Path) -> Result<EfiVariables> {
    // A folder without one of them is no copy, or one of another folder: there, all variables would count as missing.
    let is_global = |name: &str| name.ends_with(GLOBAL_TEXT);
    let mut entries = fs::read_dir(folder).about(folder.display())?.filter_map(std::result::Result::ok);
    if !entries.any(|entry| entry.file_name().to_str().is_some_and(is_global)) {
        return Err(Error::new(folder.display(), format_args!("has no file whose name ends with {GLOBAL_TEXT}"))
            .hint("is it /sys/firmware/efi/efivars of a machine with UEFI, or a copy of it?"));
    }
    EfiVariables::read(&name(folder), |file| {
        let path = folder.join(file);
        // Whether there is a file: a link to nothing is one.
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        read_limited::read(&path, VARIABLE, Kinds::File).map(Some)
    })
}
