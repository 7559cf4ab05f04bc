//! Judges whether a proof is the boot of a trusted image.

use time::OffsetDateTime;

use super::accepted::{Accepted, AcceptedStart};
use super::chain_judgement::ChainJudgement;
use super::check::{Broken, Check};
use super::other_banks::OtherBanks;
use super::proof::Proof;
use super::same_image;
use super::trusted_image::{TrustedImage, is_called_image};
use crate::count::counted;
use crate::error::Error;
use crate::eventlog::{Event, PcrValues, SystemdEvent};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::measurement::{FAILED, UNMEASURED};
use crate::measure::pcr::Pcr;

/// The verdict on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It booted this image, which is trusted now.
    Trusted(TrustedImage),
    /// It did not boot a trusted image, for this reason.
    NotTrusted(String),
}

/// The verdict, and what is known about each PCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The results for all PCRs.
    pub(crate) chain: ChainJudgement,
}

impl Proof {
    /// Judges the boot by the list of trusted images, and the other PCRs by their expected values. The image's digest must have
    /// extended the PCR exactly once, onto the value that the list gives, and nothing else may have extended it. No event of the
    /// log may say that the boot failed or did not measure its image, also if the quote is older than that event. If the entry says what
    /// must have started the agent, no quoted PCR may differ from that. The quote must be fresh, the key must say that it belongs to a TPM,
    /// and what started the agent must be as expected, as far as the verifier does not accept less.
    ///
    /// # Errors
    /// If the log does not mark the event with the image's digest as ours. Then the log was changed.
    pub fn judge(
        &self,
        trusted: &[TrustedImage],
        expected: &PcrValues,
        accepted: Accepted,
        now: OffsetDateTime,
    ) -> Result<Judgement, Broken> {
        // Several entries may be about this boot. The one that ends first counts: an end that somebody gave must hold. So must a chain: if
        // one of them has a chain, the boot must be as one of the chains.
        let all: Vec<_> = trusted.iter().filter(|image| self.is_boot_of(image)).collect();
        let first_of =
            |one: &&TrustedImage, other: &&TrustedImage| one.ends_before(other).then(one.name.cmp(&other.name));
        let own = all.iter().copied().min_by(first_of);
        // An end that the image has in an entry for another boot, or for other banks, holds, too.
        let same = same_image::places(trusted, &all).into_iter().map(|at| &trusted[at]);
        let first = own.map(|own| same.min_by(first_of).filter(|first| first.ends_before(own).is_lt()).unwrap_or(own));
        let chain = self.judge_chain(&all, trusted, expected);
        let verdict = match first {
            _ if self.is_marked(UNMEASURED) || self.is_marked(FAILED) => Verdict::NotTrusted(self.why(trusted)),
            Some(TrustedImage { name, expiry: Some(expiry), .. }) if expiry.is_over(now) => {
                Verdict::NotTrusted(format!("{name} was booted, which was trusted until {expiry}"))
            }
            Some(first) => {
                self.is_called_ours()?;
                // Its name is that of the entry whose chain was compared.
                let is_compared =
                    |image: &&&TrustedImage| chain.compared.as_ref().is_some_and(|one| one.entry == image.name);
                let named = all.iter().find(is_compared).copied().or(own).unwrap_or(first);
                let image = &TrustedImage { expiry: first.expiry.clone(), ..named.clone() };
                let against = self
                    .unproven_mark()
                    .map(|mark| format!("{} was booted, but {mark}; the quote does not prove that event", image.name));
                let reason = against
                    .or_else(|| self.measured_elsewhere(&image.name))
                    .or_else(|| self.unexpected(expected))
                    .or_else(|| if accepted.start == AcceptedStart::All { None } else { chain.against(&image.name) })
                    .or_else(|| accepted.against(self, &chain, &image.name));
                reason.map_or_else(|| Verdict::Trusted(image.clone()), Verdict::NotTrusted)
            }
            None => Verdict::NotTrusted(self.why(trusted)),
        };
        Ok(Judgement { verdict, chain })
    }

    /// Whether the boot extended the PCR with this mark.
    fn is_marked(&self, mark: &str) -> bool {
        // One bank is enough: what a bank says against the boot counts, whatever the others say.
        self.events().any(|event| self.banks.iter().any(|&bank| event.is_digest_of(mark.as_bytes(), &[bank])))
    }

    /// The first PCR that does not have its expected value, as a reason.
    fn unexpected(&self, expected: &PcrValues) -> Option<String> {
        let all =
            expected.iter().flat_map(|(bank, values)| values.iter().map(move |(pcr, value)| (*bank, *pcr, value)));
        all.into_iter().find_map(|(bank, pcr, wanted)| self.differs(bank, pcr, wanted))
    }

    /// How a PCR differs from the value that the user expects.
    pub(super) fn differs(&self, bank: Bank, pcr: Pcr, wanted: &Digest) -> Option<String> {
        match self.value(bank, pcr) {
            Some(value) if value == *wanted => None,
            Some(value) => Some(format!("PCR {pcr}, {bank}, is {value}; {wanted} is expected")),
            None => Some(format!("PCR {pcr}, {bank}, is not quoted; {wanted} is expected")),
        }
    }

    /// Whether the PCR has the value that a boot of the image gives it, in each bank that counts and that the image has a digest
    /// for. There must be such a bank.
    fn is_boot_of(&self, image: &TrustedImage) -> bool {
        let mut values = self.values().filter_map(|(bank, value)| Some(image.after(bank)? == value)).peekable();
        self.pcr == image.pcr.into() && values.peek().is_some() && values.all(|equal| equal)
    }

    /// Checks that the log marks the last event as our measurement of an image.
    fn is_called_ours(&self) -> Result<(), Broken> {
        if self.events().last().is_some_and(|event| is_called_image(event, &self.banks)) {
            return Ok(());
        }
        let error = Error::new("logs", "do not mark the event with the image's digest as measureroot's");
        Err(Broken { check: Check::Log, error: error.hint("the log was changed") })
    }

    /// Why this is not the boot of a trusted image.
    pub(super) fn why(&self, trusted: &[TrustedImage]) -> String {
        let events: Vec<_> = self.events().collect();
        let is_event_of = |event: &&Event, image: &&TrustedImage| {
            let banks = || self.banks.iter().filter(|bank| image.digests.contains_key(bank));
            banks().next().is_some() && banks().all(|&bank| event.digest(bank) == image.digests.get(&bank))
        };
        let known = events.iter().enumerate().find_map(|(at, event)| {
            let images = trusted.iter().filter(|image| self.pcr == image.pcr.into() && is_event_of(event, image));
            Some((at, images.map(|image| &image.name).min()?))
        });
        let for_another_pcr = trusted.iter().find(|image| events.iter().any(|event| is_event_of(event, image)));
        match (known, for_another_pcr, events.len()) {
            (.., 0) => format!("nothing was measured into PCR {}{}", self.pcr, self.is_elsewhere()),
            _ if self.is_marked(UNMEASURED) => "the boot did not measure its image (measureroot=off)".to_owned(),
            _ if self.is_marked(FAILED) => "the boot failed".to_owned(),
            (Some((_, name)), _, 1) => format!(
                "{name} was measured, but PCR {} did not begin with the value that is expected there (zeros, or \"before\")",
                self.pcr
            ),
            (Some((at, name)), _, count) => match (count, self.of_systemd()) {
                (2, Some(other)) => other.reason(name, at == 0),
                (_, other) => format!(
                    "{name} was measured, but PCR {} was not extended with it alone: {} before it, {} after it{}",
                    self.pcr,
                    counted(at, "event"),
                    counted(count - at - 1, "event"),
                    among(other)
                ),
            },
            (None, Some(image), _) => {
                format!("{} was measured into PCR {}, but its entry is for PCR {}", image.name, self.pcr, image.pcr)
            }
            (None, None, 1) => {
                let other = self.is_elsewhere() + &self.in_other_banks(trusted);
                "an image was booted that is not known".to_owned() + &other
            }
            (None, None, count) => {
                let other = among(self.of_systemd()) + &self.in_other_banks(trusted);
                format!("PCR {} was extended {count} times, but not with a known image{other}", self.pcr)
            }
        }
    }

    /// A part of the reason: an image of the list has no digest that could be compared.
    fn in_other_banks(&self, trusted: &[TrustedImage]) -> String {
        let is_other = |image: &&TrustedImage| {
            self.pcr == image.pcr.into() && !self.banks.iter().any(|bank| image.digests.contains_key(bank))
        };
        let Some(image) = trusted.iter().filter(is_other).min_by(|one, other| one.name.cmp(&other.name)) else {
            return String::new();
        };
        let (expected, quoted) = (image.digests.keys().copied().collect(), self.quote.selection.banks(self.pcr));
        let banks = OtherBanks { expected, quoted, is_of_tpm12: self.quote.attested.is_none() };
        format!("; {} cannot be compared: {}", image.name, banks.advice())
    }

    /// The first event that is systemd's.
    fn of_systemd(&self) -> Option<SystemdEvent> {
        self.events().find_map(|event| SystemdEvent::of(event, &self.banks))
    }
}

/// A part of the reason: one of the events is systemd's.
fn among(found: Option<SystemdEvent>) -> String {
    found.map(|found| format!("; one of them is {}", found.name())).unwrap_or_default()
}
