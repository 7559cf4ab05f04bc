//! What a verdict says about one PCR.

use serde::Serialize;

use super::expected::difference::Difference;
use super::other_banks::OtherBanks;
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;

/// The result for a PCR. Its fields are part of the output of `measureroot verify --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PcrResult {
    /// The PCR.
    pub(crate) pcr: Pcr,
    /// What was found.
    pub(crate) result: PcrOutcome,
    /// Whose expectation it meets: without one, nothing vouches for the PCR.
    pub(crate) vouched_by: Vec<Voucher>,
    /// The banks in which it is as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) banks: Vec<Bank>,
    /// The files whose bytes are in it, if it is as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
    /// What the machine decided, if it is as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) answers: Vec<String>,
    /// How it differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<Difference>,
    /// The banks of both, if they have none in common that counts.
    #[serde(flatten)]
    pub(super) other_banks: Option<OtherBanks>,
}

/// What was found about a PCR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PcrOutcome {
    /// It is as the entry of the list or the user expects.
    AsExpected,
    /// It differs from what one of them expects.
    Different,
    /// It is quoted, and nobody expects anything of it.
    NotPredicted,
    /// It is not quoted, although somebody expects something of it.
    NotQuoted,
    /// It is quoted, but in no bank that counts and that the entry of the list has.
    NoCommonBank,
}

/// Whose expectation a PCR meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Voucher {
    /// That of the trusted image: an entry of the list, or an image on the command line.
    Entry,
    /// That of the values of --expect.
    Expect,
}

impl PcrResult {
    /// A line for a person.
    pub(crate) fn words(&self) -> String {
        let pcr = self.pcr;
        match self.result {
            PcrOutcome::AsExpected => {
                let answers = self.answers.iter().map(|answer| format!("if {answer}"));
                let expect = self.vouched_by.contains(&Voucher::Expect).then(|| "--expect".to_owned());
                let list: Vec<_> = self.files.iter().cloned().chain(answers).chain(expect).collect();
                let list = if list.is_empty() { String::new() } else { format!(": {}", list.join("; ")) };
                format!("PCR {pcr} is as expected{list}")
            }
            PcrOutcome::Different => format!("PCR {pcr} is different: {}", self.difference()),
            PcrOutcome::NotPredicted => format!("PCR {pcr} is not predicted, and nothing vouches for it"),
            PcrOutcome::NoCommonBank => {
                let why = self.other_banks.as_ref().map(OtherBanks::words).unwrap_or_default();
                format!("PCR {pcr} cannot be compared, so nothing vouches for it: {why}")
            }
            PcrOutcome::NotQuoted => {
                format!("PCR {pcr} is not quoted in a bank that counts, so nothing vouches for it")
            }
        }
    }

    /// The differences in words.
    pub(crate) fn difference(&self) -> String {
        let words: Vec<_> = self.differences.iter().map(|difference| difference.words.as_str()).collect();
        words.join("; ")
    }
}
