//! Predictions by the program `measureroot predict`, and PCRs as it and tpm2_pcrread print them.

use crate::{Bank, Result, ensure, tool};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The answer of `measureroot predict --json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Prediction {
    /// The image's length in bytes. There is none if only the root hash was given.
    pub bytes: Option<u64>,
    /// The PCR that is predicted.
    pub pcr: u8,
    /// Per bank: the digest, and the PCR before and after.
    pub banks: BTreeMap<Bank, Measured>,
}

/// One bank's part of a measurement, in hex. It is also in `status.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Measured {
    /// The image's digest.
    pub digest: String,
    /// The PCR before the image was measured.
    pub before: String,
    /// The PCR after the image was measured.
    pub after: String,
}

impl Prediction {
    /// Predicts the default PCR in every bank.
    pub fn of(image: &Path) -> Result<Self> {
        Self::with(image, &[])
    }

    /// Predicts with more options of `measureroot predict`.
    pub fn with(image: &Path, options: &[&str]) -> Result<Self> {
        let image = image.to_str().ok_or("the image's path is not UTF-8")?;
        Self::by(&[&[image], options].concat())
    }

    /// Predicts what a boot with this root hash leads to.
    pub fn of_root_hash(root_hash: &str) -> Result<Self> {
        Self::by(&["--roothash", root_hash])
    }

    /// Predicts with these arguments of `measureroot predict`.
    pub fn by(arguments: &[&str]) -> Result<Self> {
        let mut predict = tool::measureroot(Duration::from_secs(300))?;
        predict.args(["predict", "--json"]).args(arguments);
        Ok(serde_json::from_str(&tool::finish(&mut predict)?)?)
    }

    /// The PCR's value per bank after the image was measured.
    #[must_use]
    pub fn after(&self) -> BTreeMap<Bank, String> {
        self.banks.iter().map(|(bank, measured)| (*bank, measured.after.clone())).collect()
    }

    /// Checks that a text in the form of tpm2_pcrread has the predicted values and no others.
    pub fn is_printed_as(&self, text: &str) -> Result<()> {
        let (printed, predicted) = (read_pcrs(text, self.pcr)?, self.after());
        ensure!(printed == predicted, "{printed:?} is not {predicted:?}:\n{text}");
        Ok(())
    }
}

/// The acceptable values of each PCR that follows from a unified kernel image, as `measureroot predict --uki` tells them.
pub fn chain(uki: &Path) -> Result<BTreeMap<u8, Vec<BTreeMap<Bank, String>>>> {
    #[derive(Deserialize)]
    struct Value {
        pcr: BTreeMap<Bank, String>,
    }
    #[derive(Deserialize)]
    struct Pcr {
        values: Option<Vec<Value>>,
    }
    #[derive(Deserialize)]
    struct Chain {
        pcrs: BTreeMap<u8, Pcr>,
    }
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    let chain: Chain = serde_json::from_str(&tool::finish(predict.args(["predict", "--json", "--uki"]).arg(uki))?)?;
    let follows = chain.pcrs.into_iter().filter_map(|(number, pcr)| Some((number, pcr.values?)));
    Ok(follows.map(|(number, values)| (number, values.into_iter().map(|value| value.pcr).collect())).collect())
}

/// What `measureroot predict --uki` prints for a person.
pub fn words(uki: &Path) -> Result<String> {
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    tool::finish(predict.args(["predict", "--uki"]).arg(uki))
}

/// What `measureroot predict --format FORMAT` prints for an image.
pub fn printed(format: &str, image: &Path) -> Result<String> {
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    tool::finish(predict.args(["predict", "--format", format]).arg(image))
}

/// A PCR's value per bank, in lower-case hex, from a text in the form of tpm2_pcrread with this PCR alone.
pub fn read_pcrs(text: &str, pcr: u8) -> Result<BTreeMap<Bank, String>> {
    let (mut found, mut bank) = (BTreeMap::new(), None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(':') {
            ensure!(bank.is_none(), "no value before {line:?}:\n{text}");
            bank = Bank::ALL.into_iter().find(|bank| bank.name() == name);
            ensure!(bank.is_some(), "{line:?} is no bank:\n{text}");
        } else {
            let value = line.split_once(':').filter(|(index, _)| index.trim_end().parse() == Ok(pcr));
            let value = value.and_then(|(_, value)| value.trim_start().strip_prefix("0x"));
            let (bank, value) = bank.take().zip(value).ok_or_else(|| format!("{line:?} is not PCR {pcr}:\n{text}"))?;
            ensure!(found.insert(bank, value.to_lowercase()).is_none(), "{} occurs twice:\n{text}", bank.name());
        }
    }
    ensure!(bank.is_none() && !found.is_empty(), "a value is missing:\n{text}");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_tpm2_pcrread_gives_one_value_per_bank() -> Result<()> {
        let read = read_pcrs("  sha1:\n    9 : 0xAB\n  sha256:\n    9 : 0xcd\n", 9)?;
        assert_eq!(read, BTreeMap::from([(Bank::Sha1, "ab".to_owned()), (Bank::Sha256, "cd".to_owned())]));
        assert_eq!(read_pcrs("  sha1:\n    13: 0xAB\n", 13)?, BTreeMap::from([(Bank::Sha1, "ab".to_owned())]));
        Ok(())
    }

    #[test]
    fn another_text_is_refused() {
        for text in [
            "",
            "  sha1:\n",
            "    13: 0xAB\n",
            "  sha1:\n    9 : 0xAB\n",
            "  sha1:\n    13: AB\n",
            "  md5:\n    13: 0xAB\n",
            "  sha1:\n  sha256:\n    13: 0xAB\n",
            "  sha1:\n    13: 0xAB\n  sha1:\n    13: 0xAB\n",
            "  sha1:\n    13: 0xAB\n    13: 0xAB\n",
            "ERROR\n  sha1:\n    13: 0xAB\n",
        ] {
            assert!(read_pcrs(text, 13).is_err(), "{text:?}");
        }
    }
}
