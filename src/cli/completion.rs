//! `measureroot completion`: the script with which a shell completes commands, options and their values.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::stdout;
use crate::cmdline::choice::Choice;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::measure::image_format::ImageFormat;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub(super) struct Completion {
    /// The shell that reads the script.
    shell: Shell,
}

impl Completion {
    /// Prints the script for `program`.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(super) fn run(&self, program: Command) -> Result<()> {
        let mut script = Vec::new();
        let mut program = program.mut_subcommands(|command| command.mut_args(with_values));
        clap_complete::generate(self.shell, &mut program, "measureroot", &mut script);
        stdout::print(&script)
    }
}

/// The argument with its values, if there are only a few. clap knows those of its own enums, and which arguments are files; it does
/// not know those of the types that the agent has, too.
fn with_values(argument: Arg) -> Arg {
    let values = match argument.get_id().as_str() {
        "banks" => Bank::ALL.map(Bank::name).to_vec(),
        "image_format" => ImageFormat::ALL.map(ImageFormat::name).to_vec(),
        _ => return argument,
    };
    argument.value_parser(PossibleValuesParser::new(values))
}
