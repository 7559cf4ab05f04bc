//! `measureroot explain`: what a boot with a command line would do.

mod actions;
pub(super) mod kept;
pub(super) mod notes;
mod other_live_systems;
mod sharers;
mod spelling;
mod words;

use std::process::ExitCode;

use clap::Args;

use super::stdout::print;
use crate::boot::step::{Failure, Step};
use crate::chain::linux;
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
    /// Prints the explanation, and gives the exit code: a failure if the boot would reject the command line, which is explained by
    /// how it would fail, if the kernel may start without measureroot, and if it keeps only a part of the command line. Why that is
    /// so goes to standard error, so that a script that needs no explanation still shows it.
    pub(super) fn run(self) -> Result<ExitCode> {
        let (line, cut) = kept::of(self.line.as_bytes());
        let tokens = tokens::parse(line);
        let policy = words::on_failure(&FailurePolicy::of(&tokens));
        let unmeasured = linux::without_the_agent(&tokens);
        let mut code = if unmeasured.is_empty() && cut.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        for why in cut.into_iter().chain(unmeasured.iter().map(|why| format!("NOT MEASURED: {why}"))) {
            log::error!("{why}");
        }
        let mut lines = Vec::new();
        if !unmeasured.is_empty() {
            lines.push("if measureroot starts nevertheless:".to_owned());
        }
        match Config::parse(&tokens) {
            Ok(config) => {
                lines.extend(steps(&config, &notes::of(&tokens, Some(&config))));
                lines.extend(words::init_arguments(&tokens::behind_dashes(line)));
                lines.extend(["on any failure".to_owned(), format!("  {policy}")]);
            }
            Err(error) => {
                code = ExitCode::FAILURE;
                log::error!("{}", Failure { step: Step::CommandLine, error });
                let translated = dialects::translate(&tokens).map(|ours| ours.words).unwrap_or_default();
                let more = translated.into_iter().chain(notes::of(&tokens, None)).chain([policy]);
                lines.extend(more.map(|line| format!("  {line}")));
            }
        }
        let lines: Vec<_> = lines.iter().map(|line| one_line(line)).collect();
        print(format!("{}\n", lines.join("\n")).as_bytes())?;
        Ok(code)
    }
}

/// The steps, each with what it does. The notes are about the command line.
fn steps(config: &Config, notes: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for &step in Step::ALL {
        let mut actions = actions::of(step, config);
        if step == Step::CommandLine {
            actions.extend_from_slice(notes);
        }
        if !actions.is_empty() {
            lines.push(step.name().to_owned());
            lines.extend(actions.iter().map(|action| format!("  {action}")));
        }
    }
    lines
}
