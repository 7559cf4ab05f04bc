//! `measureroot man`: the manual pages, out of what is said elsewhere already.

mod cmdline;
mod commands;
mod markup;

use clap::{Args, Command, ValueEnum};

use super::stdout::print;
use crate::error::{Context, Result};

/// Print a manual page.
#[derive(Debug, Args)]
pub struct Man {
    /// Which: measureroot(8), or measureroot.cmdline(7).
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
    /// If standard output does not take it.
    pub fn run(self, program: Command) -> Result<()> {
        let text = match self.page {
            Page::Measureroot => commands::page(program).about("measureroot(8)")?,
            Page::Cmdline => cmdline::page().render().into_bytes(),
        };
        print(&text)
    }
}
