//! What the machine does when a step of the boot fails.

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::measure::pcr::PcrIndex;
use crate::measure::session::SessionChoice;

/// What to do when the boot fails. It is read apart from the other parameters, and a malformed value gives the default: it is
/// needed when the command line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    /// The PCR that is extended with the digest of a fixed text.
    pub pcr: PcrIndex,
    /// The session for that extend. If it cannot be started, the extend is made without one.
    pub session: SessionChoice,
    /// What the machine does after the pause.
    pub action: FailureAction,
    /// How long the message stays on the screen; `None` is for ever (`panic=0`, as in the kernel).
    pub pause: Option<Duration>,
}

/// `measureroot.onfail=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    /// Restart.
    Reboot,
    /// Switch off.
    PowerOff,
    /// Stop, and keep the message on the screen.
    Halt,
}

impl Choice for FailureAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("reboot", Self::Reboot), ("poweroff", Self::PowerOff), ("halt", Self::Halt)];
}

const DEFAULT_PAUSE: Duration = Duration::from_secs(10);

impl FailurePolicy {
    /// Reads each parameter, and takes its default if it is missing or malformed.
    #[must_use]
    pub fn of(tokens: &[Token]) -> Self {
        Self {
            pcr: parsed(tokens, "rootimgpcr", str::parse).ok().flatten().unwrap_or(PcrIndex::DEFAULT),
            session: parsed(tokens, "measureroot.session", SessionChoice::parse).ok().flatten().unwrap_or_default(),
            action: parsed(tokens, "measureroot.onfail", FailureAction::parse)
                .ok()
                .flatten()
                .unwrap_or(FailureAction::Reboot),
            pause: tokens.iter().rev().find_map(pause).unwrap_or(Some(DEFAULT_PAUSE)),
        }
    }

    /// What the kernel shall do if it panics itself, for example because there is no memory left: the value of kernel.panic
    /// (kernel, Documentation/admin-guide/sysctl/kernel.rst). It is the number of seconds until the kernel restarts the machine,
    /// 0 for never, below 0 for at once. A kernel that panicked can restart, but not switch off.
    #[must_use]
    pub(crate) fn kernel_panic(&self) -> i32 {
        match (self.action, self.pause) {
            (FailureAction::Halt, _) | (_, None) => 0,
            (_, Some(Duration::ZERO)) => -1,
            (_, Some(pause)) => i32::try_from(pause.as_secs()).unwrap_or(i32::MAX),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline;

    #[test]
    fn a_panic_of_the_kernel_ends_as_a_failure_does() {
        let table = [
            ("", 10),
            ("panic=3", 3),
            ("panic=0", 0),
            ("panic=-1", -1),
            ("measureroot.onfail=poweroff panic=7", 7),
            ("measureroot.onfail=halt", 0),
            ("measureroot.onfail=halt panic=-5", 0),
        ];
        for (line, value) in table {
            assert_eq!(FailurePolicy::of(&cmdline::parse(line.as_bytes())).kernel_panic(), value, "{line}");
        }
    }
}
