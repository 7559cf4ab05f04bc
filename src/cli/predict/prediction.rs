//! A prediction, written in each output format.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::format::Format;
use super::subject::Subject;
use super::{corim, rvps};
use crate::cli::{json, tpm2_pcrread};
use crate::error::{Error, Result};
use crate::evidence::signer::Signer;
use crate::evidence::{policy, tpm12_values};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::measurement::Report;

/// What a boot would measure, and what the PCR would hold.
#[derive(Debug, Serialize)]
pub(super) struct Prediction<'a> {
    /// What is measured.
    #[serde(flatten)]
    pub(super) subject: &'a Subject,
    /// The PCR before and after, in each bank.
    #[serde(flatten)]
    pub(super) report: &'a Report,
    /// The key that signs it.
    #[serde(skip)]
    pub(super) key: Option<&'a dyn Signer>,
}

impl Prediction<'_> {
    /// The bytes in a format. Fails if the format cannot express the prediction.
    pub(super) fn bytes(&self, format: Format) -> Result<Vec<u8>> {
        let text = match format {
            Format::Hex => self.values().join("\n") + "\n",
            Format::Json => json::pretty(self)?,
            Format::Tpm2Yaml => self.tpm2_yaml(),
            Format::Pcrlock => format!("{}\n", self.pcrlock()),
            Format::Keylime => format!("{}\n", self.keylime()),
            Format::Policy => format!("{}\n", policy::pcr(self.report.pcr, &self.after())?),
            Format::TpmNvdefine => self.tpm_nvdefine() + "\n",
            Format::TpmUpdatepcrhash => self.tpm_updatepcrhash(),
            Format::Rvps => rvps::message(&BTreeMap::from([(rvps::pcr_name(self.report.pcr), self.values())]))?,
            Format::Corim => return corim::bytes(self.subject, self.report, self.key),
            // It is the list of trusted images; `AllowEntry::publish` writes it.
            Format::InToto => return Err(Error::new("in-toto", "is not a prediction alone")),
        };
        Ok(text.into_bytes())
    }

    fn after(&self) -> Digests {
        self.report.banks.iter().map(|(&bank, extension)| (bank, extension.after.clone())).collect()
    }

    fn values(&self) -> Vec<String> {
        self.after().values().map(ToString::to_string).collect()
    }

    fn tpm2_yaml(&self) -> String {
        let pcr = self.report.pcr.into();
        let values = self.after().into_iter().map(|(bank, value)| (bank, BTreeMap::from([(pcr, value)])));
        tpm2_pcrread::text(&values.collect())
    }

    /// "r" for reading, the PCR, and its value (tpm-tools, src/tpm_mgmt/tpm_nvdefine.c, `parseNVPermsFile`).
    fn tpm_nvdefine(&self) -> String {
        let lines = self.after().into_values().map(|value| format!("r {} {value}", self.report.pcr));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn tpm_updatepcrhash(&self) -> String {
        self.after().values().map(|value| tpm12_values::line(self.report.pcr.into(), value)).collect()
    }

    /// A component as systemd's own ones are: one CEL-JSON record of the event, without the PCR's value.
    fn pcrlock(&self) -> Value {
        let digest = |(bank, digest): (&Bank, String)| json!({ "hashAlg": bank.name(), "digest": digest });
        let digests = self.report.banks.iter().map(|(bank, extension)| digest((bank, extension.digest.to_string())));
        json!({ "records": [{ "pcr": self.report.pcr, "digests": digests.collect::<Vec<_>>() }] })
    }

    /// The acceptable values of the PCR: one for each bank that the verifier may ask for.
    fn keylime(&self) -> Value {
        json!(BTreeMap::from([(self.report.pcr.to_string(), self.values())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::image_format::ImageFormat;
    use crate::measure::measurement;
    use crate::measure::pcr::PcrIndex;
    use crate::measure::soft_pcrs::SoftPcrs;

    #[test]
    fn each_format_has_the_digests_and_the_pcr() {
        let banks = [Bank::Sha1, Bank::Sha256];
        let mut pcrs = SoftPcrs::zero(&banks);
        let report = measurement::extend(&mut pcrs, PcrIndex::DEFAULT, &digests_of(&banks, b"image")).unwrap();
        let (sha1, sha256) = (&report.banks[&Bank::Sha1], &report.banks[&Bank::Sha256]);
        let subject =
            Subject::Image { image: "i".into(), bytes: 5, format: ImageFormat::Plain, digests: Digests::new() };
        let prediction = Prediction { subject: &subject, report: &report, key: None };
        let text = |format| String::from_utf8(prediction.bytes(format).unwrap()).unwrap();
        assert_eq!(text(Format::Hex), format!("{}\n{}\n", sha1.after, sha256.after));
        assert_eq!(text(Format::Keylime), format!("{{\"13\":[\"{}\",\"{}\"]}}\n", sha1.after, sha256.after));
        let record: Value = serde_json::from_str(&text(Format::Pcrlock)).unwrap();
        assert_eq!(record["records"][0]["pcr"], 13);
        assert_eq!(record["records"][0]["digests"][1]["hashAlg"], "sha256");
        assert_eq!(record["records"][0]["digests"][1]["digest"], sha256.digest.to_string());
        assert!(text(Format::Tpm2Yaml).starts_with("  sha1:\n    13: 0x"));
        assert!(text(Format::Json).contains("\"bytes\": 5"));
        let report = measurement::extend(
            &mut SoftPcrs::zero(&[Bank::Sha1]),
            PcrIndex::DEFAULT,
            &digests_of(&[Bank::Sha1], b"image"),
        );
        let prediction = Prediction { report: &report.unwrap(), ..prediction };
        let text = |format| String::from_utf8(prediction.bytes(format).unwrap()).unwrap();
        assert_eq!(text(Format::TpmNvdefine), format!("r 13 {}\n", sha1.after));
        let upper = sha1.after.to_string().to_uppercase();
        assert_eq!(text(Format::TpmUpdatepcrhash), format!("13={upper}\n"));
    }
}
