//! What a person runs beside the boot.

mod allow;
mod explain;
mod format;
mod initramfs;
mod man;
mod pcrs;
mod predict;
mod read_limited;
mod replay;
mod verify;
mod verify_report;
mod verity_check;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::error::{Error, Result};

/// Measure a root image into a TPM 2.0 PCR, and make it the root.
///
/// As /init of an initramfs this program hashes the root image, extends a PCR with it, and boots it. Started by a
/// person it predicts that PCR, builds the initramfs, explains what a kernel command line would do, and judges the logs and
/// quotes of machines that booted.
#[derive(Debug, Parser)]
#[command(name = "measureroot", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Predict(predict::Predict),
    Initramfs(initramfs::Initramfs),
    Explain(explain::Explain),
    Replay(replay::Replay),
    Verify(Box<verify::Verify>),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
    Man(man::Man),
}

/// Runs what the arguments say. Exit codes: 0 done, 1 failed, 2 wrong arguments; `replay` and `verify` have
/// their own.
#[must_use]
pub fn run() -> ExitCode {
    log_to_stderr();
    let done = match Arguments::parse().command {
        Command::Replay(replay) => return verdict(replay.run()),
        Command::Verify(verify) => return verify.run().unwrap_or_else(|error| failed(&error)),
        Command::Predict(predict) => predict.run(),
        Command::Initramfs(initramfs) => initramfs.run(),
        Command::Explain(explain) => explain.run(),
        Command::Completion { shell } => completion(shell),
        Command::Man(man) => man.run(Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    log::error!("measureroot: {error}");
    ExitCode::FAILURE
}

/// Of `replay`: 0 it agrees, 1 it does not, 2 something could not be read.
fn verdict(holds: Result<bool>) -> ExitCode {
    match holds {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log::error!("measureroot: {error}");
            ExitCode::from(2)
        }
    }
}

/// Notes and errors, away from the result on standard output.
fn log_to_stderr() {
    use simplelog::{ConfigBuilder, LevelFilter, WriteLogger};
    let off = LevelFilter::Off;
    let config = ConfigBuilder::new()
        .set_max_level(off)
        .set_time_level(off)
        .set_thread_level(off)
        .set_target_level(off)
        .set_location_level(off)
        .build();
    if WriteLogger::init(LevelFilter::Info, config, std::io::stderr()).is_err() {
        eprintln!("measureroot: there is a logger already");
    }
}

fn completion(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "measureroot", &mut script);
    print(&script)
}

/// Writes to standard output; a reader that went away early (`| head`) is no error.
fn print(bytes: &[u8]) -> Result<()> {
    use crate::error::Context;
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).about("standard output"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
