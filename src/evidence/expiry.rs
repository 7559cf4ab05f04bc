//! The end of a trust.

use std::fmt::{self, Display};
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Context, Error, Result};

/// The last moment at which an image is trusted; as it was written, so that a list reads as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    text: String,
    moment: OffsetDateTime,
}

impl Until {
    /// Whether that is over.
    #[must_use]
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        now > self.moment
    }
}

impl FromStr for Until {
    type Err = Error;

    /// A day, which counts to its end in UTC, or a moment (RFC 3339).
    fn from_str(text: &str) -> Result<Self> {
        let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T23:59:59Z") };
        let moment =
            OffsetDateTime::parse(&whole, &Rfc3339).about_hint(text, "2027-01-31 or 2027-01-31T12:00:00Z is a date")?;
        Ok(Self { text: text.to_owned(), moment })
    }
}

impl Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_end() {
        let over = |until: &str, now: &str| {
            until.parse::<Until>().unwrap().is_over(OffsetDateTime::parse(now, &Rfc3339).unwrap())
        };
        assert!(!over("2027-01-31", "2027-01-31T23:59:59Z"));
        assert!(over("2027-01-31", "2027-02-01T00:00:00Z"));
        assert!(over("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:01Z"));
        for wrong in ["", "2027", "2027-02-30", "31.1.2027", "2027-01-31T12:00:00"] {
            assert!(wrong.parse::<Until>().is_err(), "{wrong}");
        }
    }
}
