//! `measureroot doctor`: what stands in the way of a measured boot, and whether what runs is what was measured.
//!
//! `facts` reads what the machine shows, and judges nothing. Each other file has one theme: its part of the table of findings, and a
//! function from facts to findings that reads nothing.

mod after_boot;
mod command_line;
mod entry;
mod facts;
mod finding;
mod firmware;
mod general;
mod image;
mod kernel;
mod level;
mod memory;
#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_tests;
mod table;
mod tpm;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::json;
use super::stdout::{self, print};
use crate::error::Result;
use entry::Entry;
use facts::fact::Fact;
use facts::{Facts, Sources};
use finding::Finding;
use level::Level;

/// Find what stands in the way of a measured boot, and whether what runs is what was measured. Changes nothing.
///
/// Judges this machine: its TPM, what measures the agent, the kernel, the memory, the command line, and, after a measured boot,
/// whether status.json, the logs, the TPM and the mounted root agree. Each finding has an identifier, a level (fail, warn, note, ok),
/// what was found, what to do, and a page. What cannot be read is a note, and never ok: run it as root.
///
/// With --kernel-config or --modules, the kernel of another machine is judged and no machine; --root adds that machine.
///
/// Exit codes: 0 nothing is worse than a note, 3 a warning is the worst, 4 a failure is, 1 a file that was named cannot be read, or the
/// output cannot be written, 2 wrong arguments.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The root folder of the machine: that of a mounted disk, or a copy of its /proc, /sys, /run, /boot and /lib [default: /].
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// A kernel's .config, plain or compressed by gzip.
    #[arg(long, value_name = "CONFIG")]
    kernel_config: Option<PathBuf>,
    /// A folder with the modules of a kernel, such as /lib/modules/VERSION.
    #[arg(long, value_name = "FOLDER")]
    modules: Option<PathBuf>,
    /// The root image: would a boot accept it, can the kernel mount it, and does the memory do for its seal?
    #[arg(long, value_name = "IMAGE")]
    image: Option<PathBuf>,
    /// The kernel command line to judge, as one argument [default: that of the running kernel].
    #[arg(long, value_name = "CMDLINE")]
    command_line: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Judge nothing: print why this finding matters, and what to do, as docs/doctor.md has it.
    #[arg(long, value_name = "IDENTIFIER", value_parser = table::of_id, exclusive = true)]
    explain: Option<&'static Entry>,
}

impl Doctor {
    /// Prints the findings, and gives the exit code of the worst one.
    ///
    /// # Errors
    /// If a file that the user named cannot be read, or if standard output cannot be written.
    pub(super) fn run(&self) -> Result<ExitCode> {
        stdout::check()?;
        if let Some(entry) = self.explain {
            return print(
                format!("{} ({})\n{}\n{}\n", entry.id, entry.level.name(), entry.why, entry.advice).as_bytes(),
            )
            .map(|()| ExitCode::SUCCESS);
        }
        let facts = Facts::read(&Sources {
            root: self.root.as_deref(),
            kernel_config: self.kernel_config.as_deref(),
            modules: self.modules.as_deref(),
            image: self.image.as_deref(),
            command_line: self.command_line.as_deref(),
        })?;
        let found = judge(&facts);
        let worst = found.iter().map(|finding| finding.entry.level).max().unwrap_or(Level::Ok);
        if self.json {
            let findings: Vec<_> = found.iter().map(Finding::as_json).collect();
            print(json::pretty(&json!({ "worst": worst, "findings": findings }))?.as_bytes())?;
        } else {
            print(as_text(&found).as_bytes())?;
        }
        Ok(ExitCode::from(worst.exit_code()))
    }
}

/// All findings, by theme.
fn judge(facts: &Facts) -> Vec<Finding> {
    let line = facts.command_line.known();
    let judged = line.map(|line| command_line::judge(line)).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(machine) = &facts.machine {
        // Also if only root may read it, or if it is broken: then the PCR is not expected to be free.
        let booted = !matches!(machine.boot.status, Fact::Absent);
        found.extend(tpm::judge(machine, judged.pcr(), booted));
        found.extend(firmware::judge(machine, line.map(Vec::as_slice)));
    }
    found.extend(kernel::judge(&facts.kernel, judged.is_in_file()));
    found.extend(image::judge(facts));
    found.extend(memory::judge(facts, judged.seal()));
    found.extend(judged.found);
    found.extend(facts.machine.as_ref().map(after_boot::judge).unwrap_or_default());
    found.extend(general::judge(facts));
    found
}

/// The findings for a person, and how many there are of each level.
fn as_text(found: &[Finding]) -> String {
    let mut text = String::new();
    for finding in found {
        // Writing to memory does not fail.
        let _ = write!(text, "{finding}");
    }
    let counts = Level::WORST_FIRST.map(|level| {
        let count = found.iter().filter(|finding| finding.entry.level == level).count();
        format!("{count} {}", level.name())
    });
    let _ = writeln!(text, "{}", counts.join(", "));
    text
}
