//! When an image stops being trusted.

use std::cmp::Ordering;
use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};

/// Where a moment has its seconds (RFC 3339, section 5.6: each field has a fixed width).
const SECONDS: Range<usize> = 17..19;

/// The order of two ends of trust: the earlier one is less; `None` means never, which is after every end.
pub(super) fn order(one: Option<&Expiry>, other: Option<&Expiry>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.moment.cmp(&other.moment),
        (one, other) => other.is_some().cmp(&one.is_some()),
    }
}

/// The last moment at which an image is trusted. It keeps its text, so that a rewritten list has the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    text: String,
    moment: OffsetDateTime,
}

impl Expiry {
    /// Whether that moment is before `now`.
    pub(super) fn is_over(&self, now: OffsetDateTime) -> bool {
        now > self.moment
    }
}

impl FromStr for Expiry {
    type Err = Error;

    /// Parses a day, which ends at midnight UTC, or a moment (RFC 3339).
    fn from_str(text: &str) -> Result<Self> {
        let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T23:59:59Z") };
        let moment = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| {
            Error::new(text, "is no date, or one that the calendar does not have")
                .hint("give a date such as 2027-01-31 or 2027-01-31T12:00:00Z")
        })?;
        // RFC 3339, section 5.7: 60 is a second of a day that has a leap second. Nobody knows these days far ahead, and a machine's clock does
        // not count them.
        if whole.get(SECONDS) == Some("60") {
            return Err(Error::new(text, "is a leap second, which a machine's clock does not have")
                .hint("end with the second before, 59"));
        }
        Ok(Self { text: text.to_owned(), moment })
    }
}

impl Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_before_a_later_one_and_before_no_end() {
        let until = |text: &str| Some(text.parse::<Expiry>().unwrap());
        // In order: the second one is the same moment in another zone and one second earlier.
        let ends = [until("2027-01-30"), until("2027-02-01T01:59:58+02:00"), until("2027-01-31"), None];
        for (at, one) in ends.iter().enumerate() {
            for (other_at, other) in ends.iter().enumerate() {
                assert_eq!(order(one.as_ref(), other.as_ref()), at.cmp(&other_at), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_day_is_trusted_to_its_end() {
        let over = |expiry: &str, now: &str| {
            expiry.parse::<Expiry>().unwrap().is_over(OffsetDateTime::parse(now, &Rfc3339).unwrap())
        };
        assert!(!over("2027-01-31", "2027-01-31T23:59:59Z"));
        assert!(over("2027-01-31", "2027-02-01T00:00:00Z"));
        assert!(over("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:01Z"));
        for wrong in ["", "2027", "2027-02-30", "31.1.2027", "2027-01-31T12:00:00"] {
            assert!(wrong.parse::<Expiry>().is_err(), "{wrong}");
        }
        for wrong in ["2026-12-31T23:59:60Z", "2027-01-01T00:59:60+01:00", "2026-12-31T23:59:60.5Z"] {
            let error = wrong.parse::<Expiry>().unwrap_err().to_string();
            assert!(error.contains("is a leap second, which a machine's clock does not have (end with"), "{error}");
        }
        assert!("".parse::<Expiry>().unwrap_err().to_string().starts_with("\"\": is no date"));
    }
}
