//! The commands that a person or a build runs: one file or folder for each, and the files that several of them share.

mod allow_file;
mod attest;
mod completion;
mod doctor;
mod exit_codes;
mod explain;
mod image_file;
mod initramfs;
mod input_file;
mod json;
mod kernel_config;
mod man;
mod nonce;
mod output_file;
mod padded_blocks;
mod predict;
mod read_limited;
mod replaced_file;
mod replay;
mod replay_rtmrs;
mod stdout;
mod tpm2_pcrread;
mod tpm_device;
mod unchanged;
mod verify;
mod visible_json;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result, one_line};

/// Measure a root image into a PCR of a TPM, and boot it.
///
/// As /init of an initramfs, this program hashes the root image, extends a PCR with the digest, and boots the image. The
/// commands below predict that PCR, build the initramfs, explain what a kernel command line would do, find what stands
/// in the way of a measured boot, make the evidence of a machine, and check kernel configurations, and the event logs and
/// quotes of machines.
#[derive(Debug, Parser)]
#[command(name = "measureroot", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Predict(Box<predict::Predict>),
    Initramfs(initramfs::Initramfs),
    Explain(explain::Explain),
    Doctor(doctor::Doctor),
    Replay(replay::Replay),
    Attest(Box<attest::Attest>),
    Verify(Box<verify::Verify>),
    KernelConfig(kernel_config::KernelConfig),
    Completion(completion::Completion),
    Man(man::Man),
}

/// Runs the command in the program's arguments. The exit codes are in [`exit_codes`].
#[must_use]
pub fn run() -> ExitCode {
    log_to_stderr();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Wrong arguments: 2.
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => return stdout::help(&help).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS),
    };
    let done = match arguments.command {
        Command::Replay(replay) => return verdict(replay.run()),
        Command::KernelConfig(check) => return verdict(check.run()),
        Command::Verify(verify) => return verify.run().unwrap_or_else(|error| failed(&error)),
        Command::Doctor(doctor) => return doctor.run().unwrap_or_else(|error| failed(&error)),
        Command::Explain(explain) => return explain.run().unwrap_or_else(|error| failed(&error)),
        Command::Predict(predict) => {
            if let Err(error) = predict.check_arguments() {
                wrong_arguments("predict", &error);
            }
            predict.run()
        }
        Command::Initramfs(initramfs) => initramfs.run(),
        Command::Attest(attest) => attest.run(),
        Command::Completion(completion) => completion.run(Arguments::command()),
        Command::Man(man) => man.run(Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints the error as those of other wrong arguments, with the usage of the command, and ends with 2.
fn wrong_arguments(command: &str, error: &Error) -> ! {
    let mut program = Arguments::command();
    program.build();
    let kind = ErrorKind::ValueValidation;
    match program.find_subcommand_mut(command) {
        Some(command) => command.error(kind, error).exit(),
        None => Arguments::command().error(kind, error).exit(),
    }
}

fn failed(error: &Error) -> ExitCode {
    log::error!("measureroot: {error}");
    ExitCode::FAILURE
}

/// The exit code of a command with a verdict: 0 it is good, 1 it is not, 2 something could not be read.
fn verdict(good: Result<bool>) -> ExitCode {
    match good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log::error!("measureroot: {error}");
            ExitCode::from(2)
        }
    }
}

/// Sends messages to standard error: standard output carries results only. Each message is one line, because messages quote
/// names and paths that others chose.
struct OneLine(Box<dyn log::Log>);

impl log::Log for OneLine {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record) {
        // The TPM software stack logs each step of its own, such as "Context closed." Its errors come back as ours.
        if record.target().starts_with("tss_esapi") {
            return;
        }
        let line = one_line(record.args());
        self.0.log(&log::Record::builder().metadata(record.metadata().clone()).args(format_args!("{line}")).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Starts the log.
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
    let log = WriteLogger::new(LevelFilter::Info, config, std::io::stderr());
    if log::set_boxed_logger(Box::new(OneLine(log))).is_err() {
        eprintln!("measureroot: another logger runs already");
    }
    log::set_max_level(log::LevelFilter::Info);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
