//! Whether what was proven is the boot of an image that is trusted.

use time::OffsetDateTime;

use super::allow::Entry;
use super::proof::{Broken, Check, Proof};
use crate::error::Error;
use crate::eventlog::claim::{Claim, EventKind};
use crate::eventlog::{Event, PcrValues};
use crate::measure::measurement::{FAILED, UNMEASURED};

/// What is to be thought of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It booted this image, which is trusted now.
    Trusted(Entry),
    /// It did not; why.
    NotTrusted(String),
}

impl Proof {
    /// Judges the boot by the images that are trusted, and the other PCRs by what is expected of them. Nothing but the image's
    /// digest, once and on top of what the entry says, may have extended the PCR.
    ///
    /// # Errors
    /// When the log does not call that event ours: the digest says that the words were changed.
    pub fn judge(&self, trusted: &[Entry], expected: &PcrValues, now: OffsetDateTime) -> Result<Verdict, Broken> {
        let exact: Vec<_> = trusted.iter().filter(|entry| self.is_boot_of(entry)).collect();
        let valid = exact.iter().find(|entry| entry.until.as_ref().is_none_or(|until| !until.is_over(now)));
        match (valid, exact.first()) {
            _ if self.is_marked(UNMEASURED) || self.is_marked(FAILED) => Ok(Verdict::NotTrusted(self.why(trusted))),
            (Some(entry), _) => {
                self.is_called_ours()?;
                Ok(self.unexpected(expected).map_or_else(|| Verdict::Trusted((**entry).clone()), Verdict::NotTrusted))
            }
            (None, Some(Entry { name, until: Some(until), .. })) => {
                Ok(Verdict::NotTrusted(format!("{name} was booted, which was trusted until {until}")))
            }
            _ => Ok(Verdict::NotTrusted(self.why(trusted))),
        }
    }

    /// Whether the boot was marked with this text.
    fn is_marked(&self, mark: &str) -> bool {
        self.events().any(|event| event.is_digest_of(mark.as_bytes()))
    }

    /// The first PCR that is not as expected, in words.
    fn unexpected(&self, expected: &PcrValues) -> Option<String> {
        let all =
            expected.iter().flat_map(|(bank, values)| values.iter().map(move |(pcr, value)| (*bank, *pcr, value)));
        all.map(|(bank, pcr, wanted)| (bank, pcr, wanted, self.value(bank, pcr))).find_map(
            |(bank, pcr, wanted, value)| match value {
                Some(value) if value == *wanted => None,
                Some(value) => Some(format!("PCR {pcr}, {bank}, is {value}; {wanted} is expected")),
                None => Some(format!("PCR {pcr}, {bank}, is not quoted; {wanted} is expected")),
            },
        )
    }

    /// Whether the PCR, in all banks that count and that the entry has, is what a boot of the image makes of it.
    fn is_boot_of(&self, entry: &Entry) -> bool {
        let mut values = self.values().filter_map(|(bank, value)| Some(entry.after(bank)? == value)).peekable();
        self.pcr == entry.pcr.into() && values.peek().is_some() && values.all(|equal| equal)
    }

    fn is_called_ours(&self) -> Result<(), Broken> {
        let claim = self.events().last().and_then(Claim::of);
        if claim.is_some_and(|claim| matches!(claim.event, EventKind::Image | EventKind::Roothash)) {
            return Ok(());
        }
        let error =
            Error::new("logs", "the event with the image's digest is not called measureroot's measurement of it");
        Err(Broken { check: Check::Log, error: error.hint("the log was changed") })
    }

    /// Why it is the boot of no trusted image.
    fn why(&self, trusted: &[Entry]) -> String {
        let events: Vec<_> = self.events().collect();
        let is_image = |event: &&Event, entry: &&Entry| {
            let banks = || self.banks.iter().filter(|bank| entry.digests.contains_key(bank));
            banks().next().is_some() && banks().all(|bank| event.digests.get(bank) == entry.digests.get(bank))
        };
        let known = events.iter().enumerate().find_map(|(at, event)| {
            let entry = trusted.iter().find(|entry| self.pcr == entry.pcr.into() && is_image(event, entry))?;
            Some((at, &entry.name))
        });
        match (known, events.len()) {
            (_, 0) => format!("nothing was measured into PCR {}", self.pcr),
            _ if self.is_marked(UNMEASURED) => "an image was booted that nobody measured (measureroot=off)".to_owned(),
            _ if self.is_marked(FAILED) => "the boot failed".to_owned(),
            (Some((at, name)), count) => format!(
                "{name} was measured, but PCR {} was not extended with it alone: {at} events before it and {} behind it",
                self.pcr,
                count - at - 1
            ),
            (None, 1) => "an image was booted that is not known".to_owned(),
            (None, count) => format!("PCR {} was extended {count} times, with no image that is known", self.pcr),
        }
    }
}
