//! An object of the list of trusted images: a text for each bank, such as `{"sha256": "..."}`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The texts. serde's own maps take the last of two equal keys, so a reader of the list could see another digest than the
/// one that counts. Here, the second one is an error.
#[derive(Debug, Default, Serialize)]
pub(super) struct BankTexts(pub(super) BTreeMap<String, String>);

impl BankTexts {
    /// Whether there is no text.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for BankTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueKeys)
    }
}

struct UniqueKeys;

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = BankTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a text for each bank")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BankTexts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((bank, text)) = map.next_entry::<String, String>()? {
            if let Some(first) = texts.insert(bank.clone(), text) {
                return Err(de::Error::custom(format_args!("{bank} is given twice; the first one is {first}")));
            }
        }
        Ok(BankTexts(texts))
    }
}
