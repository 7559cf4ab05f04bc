//! The forms in which a prediction is printed: each as the program that takes it wants it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::error::{Context, Result};
use crate::evidence::policy;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::image_format::ImageFormat;
use crate::measure::measurement::Report;

/// What a prediction is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The PCR of each bank, one bare line each, as --before takes it.
    Hex,
    /// Everything: the image, and of each bank the digest and the PCR before and after.
    Json,
    /// As tpm2_pcrread prints it.
    Tpm2Yaml,
    /// A component of systemd-pcrlock: systemd.pcrlock(5).
    Pcrlock,
    /// A tpm_policy of Keylime, without SHA-1 unless asked for by --bank.
    Keylime,
    /// The digest of a TPM2_PolicyPCR in a SHA-256 session, to seal a secret with; for sha256 unless --bank says otherwise.
    Policy,
}

impl Format {
    /// The banks that are meant when none is named.
    #[must_use]
    pub fn banks(self) -> Vec<Bank> {
        match self {
            Self::Hex | Self::Json | Self::Tpm2Yaml | Self::Pcrlock => Bank::ALL.to_vec(),
            // A list of acceptable values must not have one that an attacker may find a second image for.
            Self::Keylime => Bank::ALL.into_iter().filter(|&bank| bank != Bank::Sha1).collect(),
            // What tpm2-tools and systemd-cryptenroll take when nothing is said.
            Self::Policy => vec![Bank::Sha256],
        }
    }
}

/// What is measured.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Subject {
    /// An image, byte by byte.
    Image {
        /// Its name.
        image: String,
        /// How many bytes are measured.
        bytes: u64,
        /// What stands for it in the PCR.
        format: ImageFormat,
    },
    /// An image that was prepared, by its root hash in hex.
    RootHash {
        /// The root hash.
        root_hash: String,
    },
}

impl Subject {
    /// What a list calls it where nobody gave it a name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Image { image, .. } => {
                Path::new(image).file_name().map_or_else(|| image.clone(), |name| name.display().to_string())
            }
            Self::RootHash { .. } => self.to_string(),
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { image, bytes, format: ImageFormat::Plain } => write!(f, "{image}, {bytes} bytes"),
            Self::Image { image, bytes, format } => write!(f, "{image}, {bytes} bytes, as {format}"),
            Self::RootHash { root_hash } => write!(f, "roothash={root_hash}"),
        }
    }
}

/// What is predicted.
#[derive(Debug, Serialize)]
pub struct Prediction<'a> {
    /// What is measured.
    #[serde(flatten)]
    pub subject: &'a Subject,
    /// What that does to the PCR.
    #[serde(flatten)]
    pub report: &'a Report,
}

impl Prediction<'_> {
    /// The text in the given form.
    ///
    /// # Errors
    /// When the form cannot say it.
    pub fn text(&self, format: Format) -> Result<String> {
        let text = match format {
            Format::Hex => self.after().values().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Format::Json => serde_json::to_string_pretty(self).about("JSON")?,
            Format::Tpm2Yaml => return Ok(self.tpm2_yaml()),
            Format::Pcrlock => self.pcrlock().to_string(),
            Format::Keylime => self.keylime().to_string(),
            Format::Policy => policy::pcr(self.report.pcr, &self.after())?.to_string(),
        };
        Ok(text + "\n")
    }

    fn after(&self) -> Digests {
        self.report.banks.iter().map(|(&bank, extension)| (bank, extension.after.clone())).collect()
    }

    /// The form of `tpm2_pcrread BANK:PCR+...`, which is YAML.
    fn tpm2_yaml(&self) -> String {
        self.report.banks.iter().fold(String::new(), |mut text, (bank, extension)| {
            let value = extension.after.to_string().to_uppercase();
            // Writing to a string does not fail.
            writeln!(text, "  {bank}:\n    {:<2}: 0x{value}", self.report.pcr).ok();
            text
        })
    }

    /// One record of CEL-JSON, as systemd's own components are: the event, not the value that the PCR has then.
    fn pcrlock(&self) -> serde_json::Value {
        let digest = |(bank, digest): (&Bank, String)| json!({ "hashAlg": bank.name(), "digest": digest });
        let digests = self.report.banks.iter().map(|(bank, extension)| digest((bank, extension.digest.to_string())));
        json!({ "records": [{ "pcr": self.report.pcr, "digests": digests.collect::<Vec<_>>() }] })
    }

    /// The values that the PCR may have, whichever bank the verifier asks for.
    fn keylime(&self) -> serde_json::Value {
        json!(BTreeMap::from([(self.report.pcr.to_string(), self.after().values().collect::<Vec<_>>())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::measurement;
    use crate::measure::pcr::{PcrIndex, SoftPcrs};

    #[test]
    fn each_form() {
        let banks = [Bank::Sha1, Bank::Sha256];
        let mut pcrs = SoftPcrs::zero(&banks);
        let report = measurement::extend(&mut pcrs, PcrIndex::DEFAULT, &digests_of(&banks, b"image")).unwrap();
        let (sha1, sha256) = (&report.banks[&Bank::Sha1], &report.banks[&Bank::Sha256]);
        let subject = Subject::Image { image: "i".into(), bytes: 5, format: ImageFormat::Plain };
        let prediction = Prediction { subject: &subject, report: &report };
        let text = |format| prediction.text(format).unwrap();
        assert_eq!(text(Format::Hex), format!("{}\n{}\n", sha1.after, sha256.after));
        assert_eq!(text(Format::Keylime), format!("{{\"13\":[\"{}\",\"{}\"]}}\n", sha1.after, sha256.after));
        let record: serde_json::Value = serde_json::from_str(&text(Format::Pcrlock)).unwrap();
        assert_eq!(record["records"][0]["pcr"], 13);
        assert_eq!(record["records"][0]["digests"][1]["hashAlg"], "sha256");
        assert_eq!(record["records"][0]["digests"][1]["digest"], sha256.digest.to_string());
        assert!(text(Format::Tpm2Yaml).starts_with("  sha1:\n    13: 0x"));
        assert!(text(Format::Json).contains("\"bytes\": 5"));
    }
}
