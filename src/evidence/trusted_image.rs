//! An image that a verifier trusts: an entry of the list of trusted images.

use serde::{Deserialize, Serialize};

use super::bank_texts::BankTexts;
use super::expected::chain::ExpectedChain;
use super::expected::json::JsonChain;
use super::expiry::{self, Expiry};
use super::json_object::{self, Object};
use crate::error::{Error, Result, is_hidden};
use crate::eventlog::Event;
use crate::eventlog::claim::{Claim, EventKind};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::measurement::Report;
use crate::measure::pcr::PcrIndex;

/// A trusted image, and what its boot does to its PCR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedImage {
    /// Its name, which the verdict gives.
    pub name: String,
    /// The PCR that its boot extends.
    pub pcr: PcrIndex,
    /// The digests that extend the PCR.
    pub digests: Digests,
    /// The values of the PCR before the boot. A bank without a value has zeros.
    pub before: Digests,
    /// When the trust ends. `None` means never.
    pub expiry: Option<Expiry>,
    /// What must have started the agent. `None` if nothing is expected of it.
    pub chain: Option<ExpectedChain>,
    /// The image's digests in other banks, if they are known. They find its other entries; no boot is compared with them, and the list
    /// does not have them.
    pub others: Digests,
}

impl TrustedImage {
    /// The image that a prediction is about.
    pub(crate) fn of(name: &str, report: &Report, expiry: Option<Expiry>) -> Self {
        let digests = report.banks.iter().map(|(&bank, extension)| (bank, extension.digest.clone())).collect();
        let before = report.banks.iter().filter(|(bank, extension)| extension.before != Digest::zero(**bank));
        let before = before.map(|(&bank, extension)| (bank, extension.before.clone())).collect();
        Self { name: name.to_owned(), pcr: report.pcr, digests, before, expiry, chain: None, others: Digests::new() }
    }

    /// The value of the PCR before the boot.
    fn before(&self, bank: Bank) -> Digest {
        self.before.get(&bank).cloned().unwrap_or_else(|| Digest::zero(bank))
    }

    /// The value of the PCR after the boot. `None` if the image has no digest for the bank.
    pub(super) fn after(&self, bank: Bank) -> Option<Digest> {
        Some(self.before(bank).extended(bank, self.digests.get(&bank)?))
    }

    /// Whether both are about the same boot: they have a bank in common, and the same measurement in each bank that both
    /// have. An entry for more banks is about the same image as an entry for one of them. Without a bank in common, the other digests tell
    /// the image, and the PCR must begin with zeros in both: a value before in one bank does not follow from that in another.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let mut common = self.digests.keys().filter(|bank| other.digests.contains_key(bank)).peekable();
        let is_equal = |bank: &&Bank| {
            self.digests.get(bank) == other.digests.get(bank) && self.before(**bank) == other.before(**bank)
        };
        let is_known = if common.peek().is_some() {
            common.all(|bank| is_equal(&bank))
        } else {
            let knows = |one: &Self, other: &Self| {
                other.digests.iter().any(|(bank, digest)| one.others.get(bank) == Some(digest))
            };
            self.before.is_empty() && other.before.is_empty() && (knows(self, other) || knows(other, self))
        };
        self.pcr == other.pcr && is_known
    }

    /// Takes over the banks that an older entry about the same boot has beside the own ones. So the older entry can go, and
    /// nothing trusts the image longer than this one says.
    pub(super) fn take_banks_of(&mut self, older: &Self) {
        for (bank, digest) in &older.digests {
            if !self.digests.contains_key(bank) {
                self.digests.insert(*bank, digest.clone());
                self.before.extend(older.before.get(bank).map(|before| (*bank, before.clone())));
            }
        }
    }

    /// Takes over the alternatives that an older entry about the same image has for its chain. An entry without a chain would trust
    /// the image whatever started it, so a chain that somebody gave stays.
    pub(super) fn take_chain_of(&mut self, older: &Self) {
        match (&mut self.chain, &older.chain) {
            (Some(own), Some(older)) => own.take_boots_of(older),
            (own @ None, older) => own.clone_from(older),
            (Some(_), None) => {}
        }
    }

    /// Which of two entries about the same boot counts: the one that ends first.
    pub(super) fn ends_before(&self, other: &Self) -> std::cmp::Ordering {
        expiry::order(self.expiry.as_ref(), other.expiry.as_ref())
    }
}

/// Checks a name, by which people know the image in a list and in a verdict.
///
/// # Errors
/// If nothing of it can be seen.
pub(crate) fn name(text: &str) -> Result<String> {
    if text.chars().all(|c| c.is_whitespace() || is_hidden(c)) {
        return Err(Error::new("name", "is empty or has only blanks").hint("a verdict names the image by it"));
    }
    Ok(text.to_owned())
}

/// Whether the log calls the event our measurement of an image. If it claims a root hash, the digest must be that of the
/// claimed root hash, in each of `banks`: otherwise the log passes an image off as a prepared one.
pub(super) fn is_called_image(event: &Event, banks: &[Bank]) -> bool {
    let Some(claim) = Claim::of(event) else { return false };
    match (claim.event, claim.text()) {
        (EventKind::Image, _) => true,
        (EventKind::Roothash, Some(text)) => {
            banks.iter().all(|bank| event.digests.get(bank) == Some(&bank.digest(text.as_bytes())))
        }
        _ => false,
    }
}

/// The image as it is written in the list. An unknown field is an error: `untill` in place of `until` would mean endless trust.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonImage {
    pub(super) name: String,
    #[serde(default = "default_pcr")]
    pcr: u8,
    digests: BankTexts,
    #[serde(default, skip_serializing_if = "BankTexts::is_empty")]
    before: BankTexts,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json_object::text")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "json_object::object")]
    chain: Option<Object<JsonChain>>,
}

fn default_pcr() -> u8 {
    PcrIndex::DEFAULT.get()
}

impl From<&TrustedImage> for JsonImage {
    fn from(image: &TrustedImage) -> Self {
        Self {
            name: image.name.clone(),
            pcr: image.pcr.get(),
            digests: BankTexts::of(&image.digests),
            before: BankTexts::of(&image.before),
            until: image.expiry.as_ref().map(ToString::to_string),
            chain: image.chain.as_ref().map(|chain| Object(chain.into())),
        }
    }
}

impl TryFrom<&JsonImage> for TrustedImage {
    type Error = Error;

    fn try_from(image: &JsonImage) -> Result<Self> {
        let (digests, before) = (image.digests.digests()?, image.before.digests()?);
        if digests.is_empty() {
            return Err(Error::new("digests", "are missing"));
        }
        // Without the digest, the value before says nothing: it was meant for another bank.
        if let Some(bank) = before.keys().find(|bank| !digests.contains_key(bank)) {
            return Err(Error::new("before", format!("has a value for {bank}, but digests has none")));
        }
        Ok(Self {
            name: name(&image.name)?,
            pcr: image.pcr.try_into()?,
            digests,
            before,
            expiry: image.until.as_deref().map(str::parse).transpose()?,
            chain: image.chain.as_ref().map(|Object(chain)| chain.try_into()).transpose()?,
            others: Digests::new(),
        })
    }
}
