//! The list of trusted images: what a provider of many images keeps, and `predict --allow-entry` appends to.
//!
//! JSON, `{"images": [{"name": ..., "digests": {"sha256": ...}}]}`; an entry may also have `pcr` (13 without it), `before`
//! (the PCR's values before the boot, by bank; zeros without it) and `until`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::evidence::expiry::Until;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::measurement::Report;
use crate::measure::pcr::PcrIndex;

/// One trusted image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What people call it.
    pub name: String,
    /// The PCR that its boot extends.
    pub pcr: PcrIndex,
    /// What the PCR is extended with, by bank.
    pub digests: Digests,
    /// What the PCR holds before, by bank; zeros where there is nothing.
    pub before: Digests,
    /// Until when it is trusted; without it for good.
    pub until: Option<Until>,
}

impl Entry {
    /// What a prediction says.
    #[must_use]
    pub fn of(name: &str, report: &Report, until: Option<Until>) -> Self {
        let digests = report.banks.iter().map(|(&bank, extension)| (bank, extension.digest.clone())).collect();
        let before = report.banks.iter().filter(|(bank, extension)| extension.before != Digest::zero(**bank));
        let before = before.map(|(&bank, extension)| (bank, extension.before.clone())).collect();
        Self { name: name.to_owned(), pcr: report.pcr, digests, before, until }
    }

    /// What the PCR holds before the boot.
    #[must_use]
    pub fn before(&self, bank: Bank) -> Digest {
        self.before.get(&bank).cloned().unwrap_or_else(|| Digest::zero(bank))
    }

    /// What the PCR holds after it; `None` where the entry has no digest.
    #[must_use]
    pub fn after(&self, bank: Bank) -> Option<Digest> {
        Some(self.before(bank).extended(bank, self.digests.get(&bank)?))
    }

    /// Whether both are of the same measurement.
    fn is_same(&self, other: &Self) -> bool {
        (self.pcr, &self.digests, &self.before) == (other.pcr, &other.digests, &other.before)
    }
}

/// What adding an entry did to the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// The image was there under another name or date, which it has no longer.
    Renewed,
    /// It was there.
    Known,
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Its entries, oldest first.
    pub entries: Vec<Entry>,
}

impl AllowList {
    /// Adds an entry, or renews the one of the same measurement.
    pub fn add(&mut self, entry: Entry) -> Added {
        match self.entries.iter_mut().find(|known| known.is_same(&entry)) {
            Some(known) if *known == entry => Added::Known,
            Some(known) => {
                *known = entry;
                Added::Renewed
            }
            None => {
                self.entries.push(entry);
                Added::New
            }
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let list = List { images: self.entries.iter().map(Image::from).collect() };
        Ok(serde_json::to_string_pretty(&list).about("JSON")? + "\n")
    }
}

impl FromStr for AllowList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let list: List = serde_json::from_str(text).about("list of trusted images")?;
        let entries = list.images.iter().enumerate().map(|(number, image)| {
            Entry::try_from(image).map_err(|error| error.on(format!("image {} ({})", number + 1, image.name)))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }
}

/// The list as it is written. A field that is not known is an error: an `untill` would be a trust for good.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    images: Vec<Image>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    name: String,
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

impl From<&Entry> for Image {
    fn from(entry: &Entry) -> Self {
        let text = |(bank, digest): (&Bank, &Digest)| (bank.to_string(), digest.to_string());
        Self {
            name: entry.name.clone(),
            pcr: entry.pcr.get(),
            digests: entry.digests.iter().map(text).collect(),
            before: entry.before.iter().map(text).collect(),
            until: entry.until.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<&Image> for Entry {
    type Error = Error;

    fn try_from(image: &Image) -> Result<Self> {
        let digests = digests(&image.digests)?;
        if digests.is_empty() {
            return Err(Error::new("digests", "there are none"));
        }
        Ok(Self {
            name: image.name.clone(),
            pcr: image.pcr.try_into()?,
            digests,
            before: self::digests(&image.before)?,
            until: image.until.as_deref().map(str::parse).transpose()?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;

    fn entry(name: &str, until: Option<&str>) -> Entry {
        let digests = digests_of(&[Bank::Sha256], b"image");
        let until = until.map(|text| text.parse().unwrap());
        Entry { name: name.to_owned(), pcr: PcrIndex::DEFAULT, digests, before: Digests::new(), until }
    }

    #[test]
    fn a_list_reads_as_it_was_written() {
        let mut list = AllowList::default();
        assert_eq!(list.add(entry("a", Some("2027-01-31"))), Added::New);
        let mut other = entry("b", None);
        other.before = digests_of(&[Bank::Sha256], b"earlier");
        assert_eq!(list.add(other), Added::New);
        assert_eq!(list.to_json().unwrap().parse::<AllowList>().unwrap(), list);
    }

    #[test]
    fn one_measurement_has_one_entry() {
        let mut list = AllowList { entries: vec![entry("a", None)] };
        assert_eq!(list.add(entry("a", None)), Added::Known);
        assert_eq!(list.add(entry("a", Some("2027-01-31"))), Added::Renewed);
        assert_eq!(list.entries, [entry("a", Some("2027-01-31"))]);
    }

    #[test]
    fn what_a_person_writes_may_be_short() {
        let digest = Bank::Sha256.digest(b"image");
        let text = format!(r#"{{"images": [{{"name": "a", "digests": {{"sha256": "{digest}"}}}}]}}"#);
        assert_eq!(text.parse::<AllowList>().unwrap().entries, [entry("a", None)]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let digest = "ab".repeat(32);
        let image = |fields: &str| format!(r#"{{"images": [{{"name": "a", {fields}}}]}}"#);
        for wrong in [
            String::new(),
            "[]".to_owned(),
            r#"{"images": [], "more": 1}"#.to_owned(),
            image(r#""digests": {}"#),
            image(&format!(r#""digests": {{"sha1": "{digest}"}}"#)),
            image(&format!(r#""digests": {{"md5": "{digest}"}}"#)),
            image(&format!(r#""digests": {{"sha256": "{digest}"}}, "untill": "2027-01-31""#)),
            image(&format!(r#""digests": {{"sha256": "{digest}"}}, "until": "soon""#)),
            image(&format!(r#""digests": {{"sha256": "{digest}"}}, "pcr": 16"#)),
        ] {
            assert!(wrong.parse::<AllowList>().is_err(), "{wrong}");
        }
    }
}
