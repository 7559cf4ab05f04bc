//! `measureroot man`: the manual pages, out of what is said elsewhere already.

mod cmdline;
mod commands;

use clap::{Args, Command, ValueEnum};
use roff::{Inline, Roff, bold, roman};

use super::print;
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

/// The heading of a page: its name, section, and whose manual it is in.
fn titled(name: &str, section: &str) -> Roff {
    let mut page = Roff::new();
    let source = concat!("measureroot ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, section, "", source, "System administration"]);
    page
}

/// Markdown's `code` and **strong** in bold, as manual pages have what is to be typed.
fn inline(markdown: &str) -> Vec<Inline> {
    let code = |(index, part): (usize, &str)| match index % 2 {
        0 => part.split("**").map(roman).collect(),
        _ => vec![bold(part)],
    };
    markdown.split('`').enumerate().flat_map(code).collect()
}
