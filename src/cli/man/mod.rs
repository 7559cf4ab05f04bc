//! `measureroot man`: the manual pages, made from the help texts and from docs/parameters.md.

mod cmdline;
mod commands;
mod markup;

use clap::{Args, Command, ValueEnum};

use super::stdout::print;
use crate::error::{Context, Result};

/// Print a manual page.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// The page: measureroot(8) or measureroot.cmdline(7).
    #[arg(value_enum, default_value_t)]
    page: Page,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Page {
    /// The commands and their options.
    #[default]
    Measureroot,
    /// The parameters on the kernel's command line.
    Cmdline,
}

impl Man {
    /// Prints the page about `program`.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(super) fn run(self, program: Command) -> Result<()> {
        let text = match self.page {
            Page::Measureroot => commands::page(program).about("measureroot(8)")?,
            Page::Cmdline => cmdline::page().render().into_bytes(),
        };
        print(&text)
    }
}
