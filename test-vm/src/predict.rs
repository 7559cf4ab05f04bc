//! Predictions by the program `measureroot predict`, and PCRs as it and tpm2_pcrread print them.

use crate::{Bank, Image, Result, StoppedVm, ensure, tool};
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

/// A value that a PCR may have, in each bank, and the alternatives that lead to it.
#[derive(Clone, Debug, Deserialize)]
pub struct ChainValue {
    /// The names of the alternatives.
    #[serde(rename = "if")]
    pub answers: Vec<String>,
    /// The value.
    pub pcr: BTreeMap<Bank, String>,
}

/// The acceptable values of each PCR that follows.
pub type Chain = BTreeMap<u8, Vec<ChainValue>>;

/// A boot, as `measureroot predict --json` tells what is measured before the agent.
#[derive(Deserialize)]
struct ChainBoot {
    pcrs: BTreeMap<u8, ChainPcr>,
}

#[derive(Deserialize)]
struct ChainPcr {
    values: Option<Vec<ChainValue>>,
}

impl From<ChainBoot> for Chain {
    fn from(boot: ChainBoot) -> Self {
        boot.pcrs.into_iter().filter_map(|(number, pcr)| Some((number, pcr.values?))).collect()
    }
}

/// The chain of a unified kernel image, as `measureroot predict --uki` tells it.
pub fn chain(uki: &Path) -> Result<Chain> {
    chain_with(uki, &[])
}

/// The same with more options.
pub fn chain_with(uki: &Path, options: &[&str]) -> Result<Chain> {
    boot(&chain_json("--uki", uki, options)?)
}

/// The chain of the only boot, in the JSON of `measureroot predict --uki` or `--kernel`.
pub fn boot(json: &str) -> Result<Chain> {
    let boot: ChainBoot = serde_json::from_str(json)?;
    Ok(boot.into())
}

/// The chain of each entry of the menu, as `measureroot predict --esp` tells it.
pub fn menu(esp: &Path) -> Result<Vec<Chain>> {
    boots(&chain_json("--esp", esp, &[])?)
}

/// The chain of each boot, in the JSON of `measureroot predict --esp` or `--disk`.
pub fn boots(json: &str) -> Result<Vec<Chain>> {
    #[derive(Deserialize)]
    struct Boots {
        entries: Vec<ChainBoot>,
    }
    let boots: Boots = serde_json::from_str(json)?;
    Ok(boots.entries.into_iter().map(Chain::from).collect())
}

/// The same of a disk, as `measureroot predict --disk` tells it.
pub fn disk(disk: &Path) -> Result<Vec<Chain>> {
    disk_with(disk, &[])
}

/// The same with more options.
pub fn disk_with(disk: &Path, options: &[&str]) -> Result<Vec<Chain>> {
    boots(&chain_json("--disk", disk, options)?)
}

fn chain_json(option: &str, path: &Path, options: &[&str]) -> Result<String> {
    let mut predict = tool::measureroot(Duration::from_secs(60))?;
    tool::finish(predict.args(["predict", "--json", option]).arg(path).args(options))
}

/// The alternatives that led to the value that a PCR holds. The error has all values that it may have.
pub fn answers<'a>(values: &'a [ChainValue], held: &BTreeMap<Bank, String>, pcr: u8) -> Result<&'a [String]> {
    let found = values.iter().find(|value| value.pcr == *held);
    Ok(&found.ok_or_else(|| format!("PCR {pcr} is {held:?}, not one of {values:?}"))?.answers)
}

/// Checks that the TPM holds one of the predicted values of each PCR, in every bank.
pub fn holds(vm: &StoppedVm, chain: &Chain) -> Result<()> {
    chain.iter().try_for_each(|(pcr, values)| answers(values, &vm.pcrs(*pcr)?, *pcr).map(drop))
}

/// Checks that these PCRs follow, and that PCR 13 has the root image.
pub fn has_the_image(chain: &Chain, image: &Image) -> Result<()> {
    let follow: Vec<_> = chain.keys().copied().collect();
    ensure!(follow == [4, 8, 9, 11, 12, 13, 14], "{follow:?} follow");
    let (found, predicted) = (&chain[&13][0].pcr, Prediction::of(image.path())?.after());
    ensure!(*found == predicted, "PCR 13 is {found:?}, not {predicted:?}");
    Ok(())
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
