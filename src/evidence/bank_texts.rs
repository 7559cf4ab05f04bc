//! An object of the list of trusted images: a text for each bank, such as `{"sha256": "..."}`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::library_words;
use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};

/// The texts. serde's own maps take the last of two equal keys, so a reader of the list could see another digest than the
/// one that counts. Here, the second one is an error.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct BankTexts(pub(super) BTreeMap<String, String>);

impl BankTexts {
    /// The digests as texts.
    pub(super) fn of(digests: &Digests) -> Self {
        Self(digests.iter().map(|(bank, digest)| (bank.to_string(), digest.to_string())).collect())
    }

    /// The digests of the texts.
    ///
    /// # Errors
    /// If a bank is not known, or if a text is no digest of its bank.
    pub(super) fn digests(&self) -> Result<Digests> {
        let digest = |(bank, text): (&String, &String)| {
            let bank: Bank = bank.parse()?;
            Ok((bank, Digest::from_bytes(bank, &library_words::hex(text, text)?)?))
        };
        self.0.iter().map(digest).collect()
    }

    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for BankTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueKeys)
    }
}

struct UniqueKeys;

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = BankTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a text for each bank")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<BankTexts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((bank, text)) = map.next_entry::<String, String>()? {
            if let Some(first) = texts.insert(bank.clone(), text) {
                return Err(de::Error::custom(format_args!("{bank} is given twice; the first one is {first}")));
            }
        }
        Ok(BankTexts(texts))
    }
}
