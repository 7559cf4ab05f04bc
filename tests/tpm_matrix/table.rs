//! The table of the cells that were tried, and of their ends.

use std::collections::BTreeMap;
use std::io::Write;

use super::cell::{Cell, Session};
use super::command::Command;
use super::rule::End;

/// Counts the ends, for each session and command.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<(Session, usize, Command), [usize; 3]>);

impl Table {
    pub(crate) fn add(&mut self, cell: &Cell, end: End) {
        let column = match end {
            End::Measured => 0,
            End::Marked(_) => 1,
            End::NoTpmLeft(_) => 2,
        };
        self.0.entry((cell.session, cell.nth, cell.command)).or_default()[column] += 1;
    }

    /// Prints it, also if the test succeeds.
    pub(crate) fn print(&self) {
        let line = |name: &str, [measured, marked, left]: [usize; 3]| {
            let cells = measured + marked + left;
            format!("{name:<26}{cells:>7}{measured:>10}{marked:>9}{left:>13}")
        };
        let (cells, ends) = ("cells", ["measured", "marked", "no TPM left"]);
        let mut lines =
            vec![format!("{:<26}{cells:>7}{:>10}{:>9}{:>13}", "session, command", ends[0], ends[1], ends[2])];
        let mut sum = [0; 3];
        for ((session, _, command), ends) in &self.0 {
            lines.push(line(&format!("{session:?}, {command:?}"), *ends));
            sum = std::array::from_fn(|column| sum[column] + ends[column]);
        }
        lines.push(line("all", sum) + "\n");
        // What a test prints by macros is only shown if it fails.
        std::io::stdout().write_all(lines.join("\n").as_bytes()).unwrap();
    }
}
