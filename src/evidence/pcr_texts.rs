//! The PCR values in a file of evidence: `{"sha256": {"0": "...", "13": "..."}}`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::library_words;
use crate::cmdline::number::decimal;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The texts, by the name of the bank and the number of the PCR.
#[derive(Debug)]
pub(super) struct PcrTexts(Vec<(String, Entries<String>)>);

/// The entries of an object in their order. serde's own maps take the last of two equal keys; here, [`PcrTexts::values`] finds both.
#[derive(Debug)]
struct Entries<T>(Vec<(String, T)>);

impl PcrTexts {
    /// The values as texts.
    pub(super) fn of(values: &PcrValues) -> Self {
        let text = |(pcr, value): (&Pcr, &Digest)| (pcr.to_string(), value.to_string());
        let bank = |(bank, values): (&Bank, &BTreeMap<Pcr, Digest>)| {
            (bank.to_string(), Entries(values.iter().map(text).collect()))
        };
        Self(values.iter().map(bank).collect())
    }

    /// The values of the texts.
    ///
    /// # Errors
    /// If a bank or a PCR is not known or given twice, or if a text is no digest of its bank in lower-case hex.
    pub(super) fn values(&self) -> Result<PcrValues> {
        let mut values = PcrValues::new();
        for (name, Entries(texts)) in &self.0 {
            let bank: Bank = name.parse()?;
            if values.contains_key(&bank) {
                return Err(twice(name));
            }
            if texts.is_empty() {
                return Err(Error::new("pcrs", format_args!("{name} has no PCR")));
            }
            let of_bank = values.entry(bank).or_default();
            for (number, text) in texts {
                let pcr = decimal(number).and_then(|pcr| u32::try_from(pcr).ok());
                let pcr = pcr.ok_or_else(|| Error::new("pcrs", format_args!("{number:?} is no number of a PCR")))?;
                let pcr = Pcr::try_from(pcr)?;
                let name = format!("PCR {pcr}, {bank}");
                if let Some(letter) = text.chars().find(char::is_ascii_uppercase) {
                    return Err(
                        Error::new(name, format_args!("has {letter:?} in it")).hint("the digits are 0-9 and a-f")
                    );
                }
                let value = library_words::hex(&name, text)?;
                let value = Digest::from_bytes(bank, &value).map_err(|error| error.on(&name))?;
                if of_bank.insert(pcr, value).is_some() {
                    return Err(twice(format_args!("PCR {pcr}")));
                }
            }
        }
        Ok(values)
    }
}

fn twice(what: impl Display) -> Error {
    Error::new("pcrs", format_args!("{what} is given twice"))
}

impl Serialize for PcrTexts {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(bank, texts)| (bank, texts)))
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for PcrTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Entries::deserialize(deserializer).map(|Entries(banks)| Self(banks))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(AllKeys(PhantomData))
    }
}

struct AllKeys<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AllKeys<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries<T>, A::Error> {
        /// More than the PCRs of a TPM and the banks that it can have.
        const MOST: usize = 64;
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == MOST {
                return Err(de::Error::custom(format_args!("an object has more than {MOST} entries")));
            }
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
