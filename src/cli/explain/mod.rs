//! `measureroot explain`: what a boot with a command line would do.

mod actions;
mod words;

use clap::Args;

use super::stdout::print;
use crate::boot::step::{Failure, Step};
use crate::cmdline::{dialects, tokens};
use crate::config::Config;
use crate::config::failure_policy::FailurePolicy;
use crate::error::{Result, one_line};

/// Explain what a boot with a kernel command line would do, step by step. Changes nothing.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The kernel command line, as one argument.
    #[arg(value_name = "CMDLINE")]
    line: String,
}

impl Explain {
    /// Prints the explanation. If the boot would reject the command line, prints how it would fail, and fails in the same way.
    pub(super) fn run(self) -> Result<()> {
        let tokens = tokens::parse(self.line.as_bytes());
        let policy = words::on_failure(&FailurePolicy::of(&tokens));
        match Config::parse(&tokens) {
            Ok(config) => {
                let steps = steps(&config) + &words::init_arguments(&tokens::behind_dashes(self.line.as_bytes()));
                print(format!("{steps}\non any failure\n  {policy}\n").as_bytes())
            }
            Err(error) => {
                let translated = dialects::translate(&tokens).map(|ours| ours.words).unwrap_or_default();
                let failure = Failure { step: Step::CommandLine, error: error.clone() }.to_string();
                let lines = std::iter::once(failure).chain(translated).chain([policy]);
                let lines: Vec<_> = lines.map(|line| one_line(&line)).collect();
                print(format!("{}\n", lines.join("\n  ")).as_bytes())?;
                Err(error)
            }
        }
    }
}

fn steps(config: &Config) -> String {
    let mut lines = Vec::new();
    for &step in Step::ALL {
        let actions = actions::of(step, config);
        if !actions.is_empty() {
            lines.push(step.name().to_owned());
            lines.extend(actions.iter().map(|action| one_line(&format_args!("  {action}"))));
        }
    }
    lines.join("\n")
}
