//! How bad a finding is.

use serde::Serialize;

/// The level of a finding, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// This was checked, and is as it should be.
    Ok,
    /// Good to know: nothing has to change, or this was not checked.
    Note,
    /// A measured boot works, and proves less than it could.
    Warn,
    /// A measured boot fails, or proves nothing.
    Fail,
}

impl Level {
    /// All levels, the worst first.
    pub(super) const WORST_FIRST: [Self; 4] = [Self::Fail, Self::Warn, Self::Note, Self::Ok];

    /// The word for a person, which is also that of the JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The mark at the start of a line. ASCII: a serial console shows no other characters.
    pub(super) fn mark(self) -> char {
        match self {
            Self::Ok => '+',
            Self::Note => '-',
            Self::Warn => '!',
            Self::Fail => 'x',
        }
    }

    /// The exit code if this is the worst level. Like those of `verify`: 1 and 2 are for errors of the command itself.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Ok | Self::Note => 0,
            Self::Warn => 3,
            Self::Fail => 4,
        }
    }
}
