//! A quote that passed every check, with the log that leads to it. A verdict judges the boot that it proves.

use super::key::Key;
use super::quote::Quote;
use super::scheme::Scheme;
use crate::eventlog::{Event, Log};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// A checked quote, with the log whose prefix leads to it.
#[derive(Debug)]
pub struct Proof {
    /// The quote.
    pub(crate) quote: Quote,
    /// The key that signed it.
    pub(crate) key: Key,
    /// The signature scheme.
    pub(crate) scheme: Scheme,
    /// Whether the quote has the verifier's nonce, so that it is not an old one.
    pub(crate) fresh: bool,
    /// The PCR that the verdict is about.
    pub(crate) pcr: Pcr,
    /// The quoted banks of the PCR that count.
    pub(crate) banks: Vec<Bank>,
    /// The log of the whole boot.
    pub(super) log: Log,
    /// How many events of the log the quote proves.
    pub(super) proven: usize,
}

impl Proof {
    /// The events that extended the PCR, in order. Their digests are proven. Their types and data are not.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events_of(self.pcr)
    }

    fn events_of(&self, pcr: Pcr) -> impl Iterator<Item = &Event> {
        self.log.events_of(pcr).take_while(|(index, _)| *index < self.proven).map(|(_, event)| event)
    }

    /// The value of a PCR. `None` if it is not quoted in this bank.
    pub(super) fn value(&self, bank: Bank, pcr: Pcr) -> Option<Digest> {
        let extend = |value: Digest, event: &Event| Some(value.extended(bank, event.digests.get(&bank)?));
        self.quote.selection.iter().find(|one| *one == (bank, pcr))?;
        self.events_of(pcr).try_fold(self.log.start(pcr, bank), extend)
    }

    /// The PCR's value in each bank that counts.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Bank, Digest)> {
        self.banks.iter().filter_map(|&bank| Some((bank, self.value(bank, self.pcr)?)))
    }

    /// How many later events the logs have, which the quote does not prove.
    pub(crate) fn unproven(&self) -> usize {
        self.log.events().len() - self.proven
    }

    /// The other quoted PCRs.
    pub(crate) fn others(&self) -> Vec<Pcr> {
        let mut others: Vec<_> =
            self.quote.selection.iter().map(|(_, pcr)| pcr).filter(|&pcr| pcr != self.pcr).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}
