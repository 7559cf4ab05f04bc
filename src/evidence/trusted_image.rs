//! An image that a verifier trusts: an entry of the list of trusted images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::expiry::Expiry;
use crate::error::{Context, Error, Result};
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
}

impl TrustedImage {
    /// The image that a prediction is about.
    pub(crate) fn of(name: &str, report: &Report, expiry: Option<Expiry>) -> Self {
        let digests = report.banks.iter().map(|(&bank, extension)| (bank, extension.digest.clone())).collect();
        let before = report.banks.iter().filter(|(bank, extension)| extension.before != Digest::zero(**bank));
        let before = before.map(|(&bank, extension)| (bank, extension.before.clone())).collect();
        Self { name: name.to_owned(), pcr: report.pcr, digests, before, expiry }
    }

    /// The value of the PCR before the boot.
    fn before(&self, bank: Bank) -> Digest {
        self.before.get(&bank).cloned().unwrap_or_else(|| Digest::zero(bank))
    }

    /// The value of the PCR after the boot. `None` if the image has no digest for the bank.
    pub(super) fn after(&self, bank: Bank) -> Option<Digest> {
        Some(self.before(bank).extended(bank, self.digests.get(&bank)?))
    }

    /// Whether both have the same measurement.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.pcr, &self.digests, &self.before) == (other.pcr, &other.digests, &other.before)
    }
}

/// The image as it is written in the list. An unknown field is an error: `untill` in place of `until` would mean endless trust.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonImage {
    pub(super) name: String,
    #[serde(default = "default_pcr")]
    pcr: u8,
    digests: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

fn default_pcr() -> u8 {
    PcrIndex::DEFAULT.get()
}

impl From<&TrustedImage> for JsonImage {
    fn from(image: &TrustedImage) -> Self {
        let text = |(bank, digest): (&Bank, &Digest)| (bank.to_string(), digest.to_string());
        Self {
            name: image.name.clone(),
            pcr: image.pcr.get(),
            digests: image.digests.iter().map(text).collect(),
            before: image.before.iter().map(text).collect(),
            until: image.expiry.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<&JsonImage> for TrustedImage {
    type Error = Error;

    fn try_from(image: &JsonImage) -> Result<Self> {
        let digests = digests(&image.digests)?;
        if digests.is_empty() {
            return Err(Error::new("digests", "are missing"));
        }
        Ok(Self {
            name: image.name.clone(),
            pcr: image.pcr.try_into()?,
            digests,
            before: self::digests(&image.before)?,
            expiry: image.until.as_deref().map(str::parse).transpose()?,
        })
    }
}

fn digests(texts: &BTreeMap<String, String>) -> Result<Digests> {
    let digest = |(bank, text): (&String, &String)| {
        let bank: Bank = bank.parse()?;
        Ok((bank, Digest::from_bytes(bank, &hex::decode(text).about(text)?)?))
    };
    texts.iter().map(digest).collect()
}
