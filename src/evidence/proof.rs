//! A quote that passed every check, with the log that leads to it. A verdict judges the boot that it proves.

use std::collections::BTreeSet;

use super::expected::held::Held;
use super::freshness::Freshness;
use super::key::Key;
use super::quote::Quote;
use super::scheme::Scheme;
use crate::eventlog::{Event, Log, PcrValues};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::{MAX_LOCALITY, Pcr};

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
    pub(crate) fresh: Freshness,
    /// The PCR that the verdict is about.
    pub(crate) pcr: Pcr,
    /// The quoted banks of the PCR that count.
    pub(crate) banks: Vec<Bank>,
    /// Whether sha1 banks count.
    pub(super) sha1: bool,
    /// The log of the whole boot.
    pub(super) log: Log,
    /// How many events of the log the quote proves.
    pub(super) proven: usize,
    /// The values of quoted PCRs that no log explains. They were sent with the quote, which proves them.
    pub(super) unlogged: PcrValues,
    /// What the reader of a log should know about it.
    pub(crate) notes: Vec<String>,
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
        let extend = |value: Digest, event: &Event| Some(value.extended(bank, event.digest(bank)?));
        self.quote.selection.iter().find(|one| *one == (bank, pcr))?;
        if let Some(value) = self.unlogged.get(&bank).and_then(|values| values.get(&pcr)) {
            return Some(value.clone());
        }
        self.events_of(pcr).try_fold(self.log.start(pcr, bank), extend)
    }

    /// What a PCR holds in those of `banks` in which it is quoted, and that count. `None` if there is no such bank.
    pub(super) fn held(&self, pcr: Pcr, banks: &[Bank]) -> Option<Held<'_>> {
        let counts = |bank: &Bank| banks.contains(bank) && (self.sha1 || *bank != Bank::Sha1);
        let banks: Vec<_> = self.quote.selection.banks(pcr).into_iter().filter(counts).collect();
        let values = banks.iter().map(|&bank| Some((bank, self.value(bank, pcr)?))).collect::<Option<_>>()?;
        let last = |&bank: &Bank| self.log.start(pcr, bank).as_bytes().last().copied();
        let locality = banks.first().and_then(last).filter(|last| *last <= MAX_LOCALITY).unwrap_or(0);
        let starts = |&bank: &Bank| self.log.start(pcr, bank) == Digest::zero(bank).with_last_byte(locality);
        let is_known = banks.iter().all(starts) && !self.unlogged().contains(&pcr);
        let events = is_known.then(|| self.events_of(pcr).collect());
        (!banks.is_empty()).then_some(Held { pcr, banks, values, locality, events })
    }

    /// The PCR's value in each bank that counts.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Bank, Digest)> {
        self.banks.iter().filter_map(|&bank| Some((bank, self.value(bank, self.pcr)?)))
    }

    /// How many later events the logs have, which the quote does not prove.
    pub(crate) fn unproven(&self) -> usize {
        self.log.events().len() - self.proven
    }

    /// What an event of the log that the quote does not prove says against the boot.
    pub(super) fn unproven_mark(&self) -> Option<String> {
        let is_quoted = |pcr| self.quote.selection.iter().any(|(_, quoted)| Some(quoted) == pcr);
        self.log.mark(|place, event| place >= self.proven || !is_quoted(event.extends()))
    }

    /// The quoted PCRs that no log explains.
    pub(crate) fn unlogged(&self) -> BTreeSet<Pcr> {
        self.unlogged.values().flat_map(|values| values.keys().copied()).collect()
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
