//! One fact about the machine.

/// A fact. What could not be read is never taken for something good.
#[derive(Debug, Clone, Default)]
pub(in crate::cli::doctor) enum Fact<T> {
    /// It was read.
    Known(T),
    /// The machine does not have it.
    #[default]
    Absent,
    /// It is there and cannot be read, with the reason; most often, only root may.
    Unread(String),
}

impl<T> Fact<T> {
    /// The fact, if it was read.
    pub(in crate::cli::doctor) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Absent | Self::Unread(_) => None,
        }
    }

    /// Why it was not read, if it is there.
    pub(in crate::cli::doctor) fn unread(&self) -> Option<&str> {
        match self {
            Self::Unread(why) => Some(why),
            Self::Known(_) | Self::Absent => None,
        }
    }

    /// Makes something of the fact. An error is a fact that cannot be read.
    pub(super) fn parse<U, E: std::fmt::Display>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Fact<U> {
        match self {
            Self::Known(fact) => parse(fact).map_or_else(|error| Fact::Unread(error.to_string()), Fact::Known),
            Self::Absent => Fact::Absent,
            Self::Unread(why) => Fact::Unread(why),
        }
    }

    /// Makes something of the fact.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Fact<U> {
        self.parse(|fact| Ok::<U, std::convert::Infallible>(make(fact)))
    }

    /// This fact, or the other one if the machine does not have this one.
    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::Absent) { other() } else { self }
    }
}
