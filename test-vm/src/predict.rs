//! What `measureroot predict` says about an image, by the program itself.

use crate::{Bank, Result, assets, ensure, tool};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The answer of `measureroot predict --json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Prediction {
    /// The image's length; nothing where it was not looked at.
    pub bytes: Option<u64>,
    /// The PCR it is for.
    pub pcr: u8,
    /// Per bank: the digest, and the PCR's value before and after.
    pub banks: BTreeMap<Bank, Measured>,
}

/// One bank's part of a measurement, in hex; also in `status.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Measured {
    /// The image's digest.
    pub digest: String,
    /// The PCR before.
    pub before: String,
    /// The PCR after.
    pub after: String,
}

impl Prediction {
    /// Predicts the default PCR in every bank.
    pub fn of(image: &Path) -> Result<Self> {
        Self::with(image, &[])
    }

    /// Predicts with more options of `measureroot predict`.
    pub fn with(image: &Path, options: &[&str]) -> Result<Self> {
        let image = image.to_str().ok_or("an image without a name")?;
        Self::by(&[&[image], options].concat())
    }

    /// Predicts what these arguments of `measureroot predict` name.
    pub fn by(arguments: &[&str]) -> Result<Self> {
        let mut predict = tool::limited(Duration::from_mins(5), assets::product("release/measureroot")?);
        predict.args(["predict", "--json"]).args(arguments);
        Ok(serde_json::from_str(&tool::finish(&mut predict)?)?)
    }

    /// The PCR's value per bank after the image was measured.
    #[must_use]
    pub fn after(&self) -> BTreeMap<Bank, String> {
        self.banks.iter().map(|(bank, measured)| (*bank, measured.after.clone())).collect()
    }

    /// Checks that a text in the form of `tpm2_pcrread`, which a person compares with it, has each value.
    pub fn is_in(&self, text: &str) -> Result<()> {
        let read = text.to_lowercase();
        for value in self.after().values() {
            let line = |between: &str| read.contains(&format!("{}{between}: 0x{value}", self.pcr));
            ensure!(line("") || line(" "), "no {value}:\n{text}");
        }
        Ok(())
    }
}
