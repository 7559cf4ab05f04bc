//! What happens when a step of the boot fails.

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::measure::pcr::PcrIndex;
use crate::measure::session;

/// What is done when the boot fails. Read separately and forgivingly, for it is needed when the rest cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    /// The PCR that is extended once more.
    pub pcr: PcrIndex,
    /// What protects that extend, unless it cannot be had: this one is made in any case.
    pub session: session::SessionChoice,
    /// What the machine does in the end.
    pub action: FailureAction,
    /// For how long the message stays on the screen; `None`: for ever (`panic=0`, as in the kernel).
    pub pause: Option<Duration>,
}

/// `measureroot.onfail=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// Start again.
    Reboot,
    /// Switch off.
    PowerOff,
    /// Stop, with the message on the screen.
    Halt,
}

impl Choice for FailureAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("reboot", Self::Reboot), ("poweroff", Self::PowerOff), ("halt", Self::Halt)];
}

const DEFAULT_PAUSE: Duration = Duration::from_secs(10);

impl FailurePolicy {
    /// Reads what can be read, and takes the defaults for the rest.
    #[must_use]
    pub fn of(tokens: &[Token]) -> Self {
        Self {
            pcr: parsed(tokens, "rootimgpcr", str::parse).ok().flatten().unwrap_or(PcrIndex::DEFAULT),
            session: parsed(tokens, "measureroot.session", session::SessionChoice::parse)
                .ok()
                .flatten()
                .unwrap_or_default(),
            action: parsed(tokens, "measureroot.onfail", FailureAction::parse)
                .ok()
                .flatten()
                .unwrap_or(FailureAction::Reboot),
            pause: tokens.iter().rev().find_map(pause).unwrap_or(Some(DEFAULT_PAUSE)),
        }
    }
}

/// The kernel's `panic=`: seconds until it restarts, 0 for never, below 0 for at once (kernel-parameters.txt).
fn pause(token: &Token) -> Option<Option<Duration>> {
    if token.key != b"panic" {
        return None;
    }
    let seconds: i32 = std::str::from_utf8(token.value.as_deref()?).ok()?.parse().ok()?;
    Some((seconds != 0).then(|| Duration::from_secs(u64::from(seconds.max(0).unsigned_abs()))))
}
