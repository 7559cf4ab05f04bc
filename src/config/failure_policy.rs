//! What the machine does when a step of the boot fails.

use std::time::Duration;

use crate::cmdline::choice::Choice;
use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::measure::pcr::PcrIndex;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::rtmr_choice::RtmrChoice;
use crate::measure::session::SessionChoice;

/// What to do when the boot fails. It is read apart from the other parameters, and a malformed value gives the default: it is
/// needed when the command line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    /// The PCR that is extended with the digest of a fixed text.
    pub pcr: PcrIndex,
    /// The RTMR of a confidential machine that is extended with it, too.
    pub rtmr: RtmrIndex,
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
            rtmr: parsed(tokens, "measureroot.rtmr", RtmrChoice::of).ok().flatten().unwrap_or_default().index(),
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

/// The number of the kernel's `panic=`: seconds until it restarts, 0 for never, below 0 for at once (kernel-parameters.txt). `None`
/// for a malformed one, and for another parameter.
pub(crate) fn kernel_panic_of(token: &Token) -> Option<i32> {
    if token.key != b"panic" {
        return None;
    }
    kernel_int(std::str::from_utf8(token.value.as_deref()?).ok()?)
}

/// The pause of `panic=`.
fn pause(token: &Token) -> Option<Option<Duration>> {
    let seconds = kernel_panic_of(token)?;
    Some((seconds != 0).then(|| Duration::from_secs(u64::from(seconds.max(0).unsigned_abs()))))
}

/// A number as the kernel reads it (lib/kstrtox.c, `kstrtoint` with the base 0): `010` is eight. This parameter is the kernel's, and
/// it has obeyed it already.
fn kernel_int(text: &str) -> Option<i32> {
    let (sign, number) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match number.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &number[2..]),
        [b'0', _, ..] => (8, &number[1..]),
        _ => (10, number),
    };
    // The standard library would take another sign here.
    let unsigned = digits.starts_with(|first: char| first.is_ascii_hexdigit());
    i32::from_str_radix(&format!("{sign}{digits}"), radix).ok().filter(|_| unsigned)
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

    #[test]
    fn panic_is_read_as_the_kernel_reads_it() {
        let table = [
            ("0", Some(0)),
            ("5", Some(5)),
            ("-1", Some(-1)),
            ("+5", Some(5)),
            ("010", Some(8)),
            ("-010", Some(-8)),
            ("0x1F", Some(31)),
            ("08", None),
            ("0x", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("+-1", None),
            ("0+1", None),
            ("5s", None),
            ("2147483648", None),
            ("\u{663}", None),
        ];
        for (text, want) in table {
            assert_eq!(kernel_int(text), want, "{text:?}");
        }
    }
}
