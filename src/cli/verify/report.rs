//! The report of `measureroot verify`: the verdict, and its reasons.

use std::process::ExitCode;

use serde::Serialize;

use super::basis::Basis;
use super::evidence::Evidence;
use super::warnings::warnings;
use crate::cli::json;
use crate::error::{Result, one_line};
use crate::evidence::chain_judgement::ComparedWith;
use crate::evidence::check::{Broken, Check};
use crate::evidence::pcr_result::PcrResult;
use crate::evidence::proof::Proof;
use crate::evidence::verdict::{Judgement, Verdict};

/// The exit code for an image that is not trusted; 0 is for a trusted one.
const NOT_TRUSTED: u8 = 3;
/// The exit code for broken evidence.
const BROKEN: u8 = 4;

/// The version of the JSON. It changes if a field changes its meaning or goes.
const VERSION: u32 = 1;

/// The verdict, its reasons, and its limits. docs/verify.schema.json describes its JSON.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    version: u32,
    verdict: Word,
    /// If the evidence is broken: the check that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    #[serde(flatten)]
    basis: Basis,
    /// The entry whose chain was compared, and its alternative.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<ComparedWith>,
    /// The result for each PCR.
    pcrs: Vec<PcrResult>,
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
    /// The report on a proof.
    pub(super) fn of(proof: &Proof, Judgement { verdict, chain }: Judgement) -> Self {
        let (verdict, reason, image) = match &verdict {
            Verdict::Trusted(image) => {
                let until = image.expiry.as_ref().map(ToString::to_string);
                (Word::Trusted, None, Some(Image { name: image.name.clone(), until }))
            }
            Verdict::NotTrusted(why) => (Word::NotTrusted, Some(why.clone()), None),
        };
        Self {
            version: VERSION,
            verdict,
            check: None,
            reason,
            image,
            basis: Basis::of(proof, &chain.unchecked),
            chain: chain.compared,
            warnings: warnings(proof, &chain.pcrs),
            pcrs: chain.pcrs,
            evidence: Some(Evidence::of(proof)),
        }
    }

    /// The same, if the key came with the evidence, and no key was given that the verifier accepted. Then it is trusted only if the verifier
    /// trusts `any_key`: a program without a TPM can make such a key, and sign any quote. Of broken evidence nothing is known anyway.
    pub(super) fn with_key_of_machine(mut self, any_key: bool) -> Self {
        let why = "whose key it is was not checked: it came with the evidence, and anybody can make one";
        let hint = "give --key, the key that you accepted once, or accept the evidence with --any-key";
        if self.verdict == Word::Trusted && !any_key {
            (self.verdict, self.image) = (Word::NotTrusted, None);
            self.reason = Some(format!("{why} ({hint})"));
        }
        if self.verdict != Word::Broken {
            self.basis.add_unchecked(format!("{why} ({hint})"));
            self.warnings.push(format!("NOT KNOWN WHOSE KEY IT IS: {why} ({hint})"));
        }
        self
    }

    /// The report on evidence that proves nothing.
    pub(super) fn broken(Broken { check, error }: &Broken) -> Self {
        let (check, reason) = (Some(*check), Some(error.to_string()));
        Self {
            version: VERSION,
            verdict: Word::Broken,
            check,
            reason,
            image: None,
            basis: Basis::default(),
            chain: None,
            pcrs: Vec::new(),
            evidence: None,
            warnings: Vec::new(),
        }
    }

    /// The report as text: a line for the verdict, one for each event that extended the PCR, and what is known of the chain.
    pub(super) fn text(&self) -> String {
        let text = match (self.verdict, &self.image, &self.reason) {
            (Word::Trusted, Some(Image { name, until: None }), _) => format!("trusted: {name}"),
            (Word::Trusted, Some(Image { name, until: Some(until) }), _) => format!("trusted: {name}, until {until}"),
            (Word::NotTrusted, _, Some(why)) => format!("not trusted: {why}"),
            (_, _, why) => format!("broken evidence: {}", why.as_deref().unwrap_or("nothing is known")),
        };
        // An image's name with a newline must not add lines to the report.
        one_line(&text) + "\n" + &self.evidence.as_ref().map(Evidence::lines).unwrap_or_default() + &self.chain()
    }

    /// A line for each PCR, if an entry expects something of the chain; and what was not checked, if the verdict does not say so itself.
    fn chain(&self) -> String {
        let pcrs = if self.chain.is_some() { &self.pcrs[..] } else { &[] };
        let mut lines: Vec<_> = pcrs.iter().map(PcrResult::words).collect();
        if self.verdict == Word::Trusted {
            lines.extend(self.basis.not_checked().iter().cloned());
        }
        lines.iter().map(|line| one_line(line) + "\n").collect()
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
