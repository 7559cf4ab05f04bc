//! A finding, as a person and as a program reads it.

use std::fmt;

use serde_json::{Value, json};

use super::entry::Entry;
use crate::error::one_line;

/// One thing that was found.
#[derive(Debug)]
pub(super) struct Finding {
    /// Its row in the table.
    pub(super) entry: &'static Entry,
    /// What was found on this machine, in one line.
    pub(super) what: String,
}

impl Finding {
    /// A finding. `what` may quote the machine: no byte of it gets to the terminal unescaped.
    pub(super) fn new(entry: &'static Entry, what: impl fmt::Display) -> Self {
        Self { entry, what: one_line(&what) }
    }

    /// The finding for a program.
    pub(super) fn as_json(&self) -> Value {
        let Self { entry, what } = self;
        json!({ "id": entry.id, "level": entry.level, "what": what, "advice": entry.advice, "page": entry.page() })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, what } = self;
        writeln!(f, "{} {:<4} {}: {what}", entry.level.mark(), entry.level.name(), entry.id)?;
        if entry.advice.is_empty() {
            return Ok(());
        }
        writeln!(f, "       {} ({})", entry.advice, entry.page())
    }
}
