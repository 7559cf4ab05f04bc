//! The report of `measureroot verify`: the verdict, and its reasons.

use std::process::ExitCode;

use serde::Serialize;

use super::evidence::Evidence;
use super::warnings::warnings;
use crate::cli::json;
use crate::error::{Result, one_line};
use crate::eventlog::PcrValues;
use crate::evidence::check::{Broken, Check};
use crate::evidence::proof::Proof;
use crate::evidence::verdict::Verdict;

/// The exit code for an image that is not trusted; 0 is for a trusted one.
const NOT_TRUSTED: u8 = 3;
/// The exit code for broken evidence.
const BROKEN: u8 = 4;

/// The verdict, its reasons, and its limits.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    verdict: Word,
    /// If the evidence is broken: the check that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    /// What the verdict does not prove.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Trusted,
    NotTrusted,
    Broken,
}

#[derive(Debug, Serialize)]
struct Image {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl VerifyReport {
    /// The report on a proof. `expected` has the values that the user expects of other PCRs.
    pub(super) fn of(proof: &Proof, verdict: &Verdict, expected: &PcrValues) -> Self {
        let (verdict, reason, image) = match verdict {
            Verdict::Trusted(image) => {
                let until = image.expiry.as_ref().map(ToString::to_string);
                (Word::Trusted, None, Some(Image { name: image.name.clone(), until }))
            }
            Verdict::NotTrusted(why) => (Word::NotTrusted, Some(why.clone()), None),
        };
        let evidence = Some(Evidence::of(proof));
        Self { verdict, check: None, reason, image, evidence, warnings: warnings(proof, expected) }
    }

    /// The report on evidence that proves nothing.
    pub(super) fn broken(Broken { check, error }: &Broken) -> Self {
        let (check, reason) = (Some(*check), Some(error.to_string()));
        Self { verdict: Word::Broken, check, reason, image: None, evidence: None, warnings: Vec::new() }
    }

    /// The report as text: a line for the verdict, and one for each event that extended the PCR.
    pub(super) fn text(&self) -> String {
        let text = match (self.verdict, &self.image, &self.reason) {
            (Word::Trusted, Some(Image { name, until: None }), _) => format!("trusted: {name}"),
            (Word::Trusted, Some(Image { name, until: Some(until) }), _) => format!("trusted: {name}, until {until}"),
            (Word::NotTrusted, _, Some(why)) => format!("not trusted: {why}"),
            (_, _, why) => format!("broken evidence: {}", why.as_deref().unwrap_or("nothing is known")),
        };
        // An image's name with a newline must not add lines to the report.
        one_line(&text) + "\n" + &self.evidence.as_ref().map(Evidence::lines).unwrap_or_default()
    }

    /// The report as JSON.
    pub(super) fn json(&self) -> Result<String> {
        json::pretty(self)
    }

    /// 0 for a trusted image, 3 for one that is not trusted, 4 for broken evidence.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self.verdict {
            Word::Trusted => ExitCode::SUCCESS,
            Word::NotTrusted => ExitCode::from(NOT_TRUSTED),
            Word::Broken => ExitCode::from(BROKEN),
        }
    }
}
