//! What `measureroot verify` says.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::error::{Context, Result};
use crate::eventlog::PcrValues;
use crate::evidence::proof::{Broken, Check, Proof};
use crate::evidence::quote::Clock;
use crate::evidence::verdict::Verdict;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The exit codes of those two; 0 is for trusted.
const NOT_TRUSTED: u8 = 3;
const BROKEN: u8 = 4;

/// The verdict and what it rests on.
#[derive(Debug, Serialize)]
pub struct Opinion {
    verdict: Word,
    /// What does not hold, of broken evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    /// What the verdict does not say.
    pub warnings: Vec<String>,
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

/// What was proven.
#[derive(Debug, Serialize)]
struct Evidence {
    pcr: Pcr,
    values: BTreeMap<Bank, Digest>,
    /// What extended the PCR. The digests are proven, the words are the log's own.
    events: Vec<Event>,
    quoted: BTreeMap<Bank, Vec<Pcr>>,
    nonce: String,
    clock: Clock,
    firmware: String,
    signer: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    scheme: String,
    /// Events that the logs have behind the quote.
    unproven: usize,
}

#[derive(Debug, Serialize)]
struct Event {
    digests: BTreeMap<Bank, Digest>,
    words: String,
}

impl Opinion {
    /// About a proof, of whose other PCRs these were expected.
    #[must_use]
    pub fn of(proof: &Proof, verdict: &Verdict, expected: &PcrValues) -> Self {
        let (verdict, reason, image) = match verdict {
            Verdict::Trusted(entry) => {
                let until = entry.until.as_ref().map(ToString::to_string);
                (Word::Trusted, None, Some(Image { name: entry.name.clone(), until }))
            }
            Verdict::NotTrusted(why) => (Word::NotTrusted, Some(why.clone()), None),
        };
        Self {
            verdict,
            check: None,
            reason,
            image,
            evidence: Some(evidence(proof)),
            warnings: warnings(proof, expected),
        }
    }

    /// About what proves nothing.
    #[must_use]
    pub fn broken(Broken { check, error }: &Broken) -> Self {
        let (check, reason) = (Some(*check), Some(error.to_string()));
        Self { verdict: Word::Broken, check, reason, image: None, evidence: None, warnings: Vec::new() }
    }

    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match (self.verdict, &self.image, &self.reason) {
            (Word::Trusted, Some(Image { name, until: None }), _) => format!("trusted: {name}"),
            (Word::Trusted, Some(Image { name, until: Some(until) }), _) => format!("trusted: {name}, until {until}"),
            (Word::NotTrusted, _, Some(why)) => format!("not trusted: {why}"),
            (_, _, why) => format!("broken evidence: {}", why.as_deref().unwrap_or("nothing is known")),
        };
        // Whoever gave an image its name must not write further lines with it.
        text = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        text.push('\n');
        if let Some(evidence) = &self.evidence {
            for event in &evidence.events {
                let digests: Vec<_> = event.digests.iter().map(|(bank, digest)| format!("{bank} {digest}")).collect();
                // Writing to a string does not fail.
                writeln!(text, "PCR {}: {}; in the log's own words: {}", evidence.pcr, digests.join(", "), event.words)
                    .ok();
            }
        }
        text
    }

    /// As JSON.
    ///
    /// # Errors
    /// When it cannot be written so.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self).about("JSON")? + "\n")
    }

    /// 0, 3 or 4.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self.verdict {
            Word::Trusted => ExitCode::SUCCESS,
            Word::NotTrusted => ExitCode::from(NOT_TRUSTED),
            Word::Broken => ExitCode::from(BROKEN),
        }
    }
}

fn evidence(proof: &Proof) -> Evidence {
    let mut quoted: BTreeMap<Bank, Vec<Pcr>> = BTreeMap::new();
    for (bank, pcr) in proof.quote.selection.iter() {
        quoted.entry(bank).or_default().push(pcr);
    }
    let counts = |bank: &Bank| proof.banks.contains(bank);
    let event = |event: &crate::eventlog::Event| Event {
        digests: event
            .digests
            .iter()
            .filter(|(bank, _)| counts(bank))
            .map(|(&bank, digest)| (bank, digest.clone()))
            .collect(),
        words: event.words(),
    };
    Evidence {
        pcr: proof.pcr,
        values: proof.values().collect(),
        events: proof.events().map(event).collect(),
        quoted,
        nonce: hex::encode(&proof.quote.nonce),
        clock: proof.quote.clock,
        firmware: format!("{:016x}", proof.quote.firmware),
        signer: hex::encode(&proof.quote.signer),
        key: proof.key.material.name(),
        key_name: proof.key.name.as_ref().map(hex::encode),
        scheme: proof.scheme.to_string(),
        unproven: proof.unproven(),
    }
}

fn warnings(proof: &Proof, expected: &PcrValues) -> Vec<String> {
    let mut warnings = Vec::new();
    if !proof.fresh {
        warnings.push("NOT PROVEN TO BE FRESH: without --nonce the quote may be of any earlier boot".to_owned());
    }
    if proof.key.name.is_none() {
        let form = "a key that comes as PEM or DER";
        warnings.push(format!(
            "{form} does not say whether it signs quotes alone, and in a TPM: know it, or give the TPM's form"
        ));
    }
    let is_expected = |pcr: &Pcr| expected.values().any(|values| values.contains_key(pcr));
    let (known, unknown): (Vec<_>, Vec<_>) = proof.others().into_iter().partition(is_expected);
    let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    if !unknown.is_empty() {
        let list = unknown.join(", ");
        warnings
            .push(format!("the logs lead to the PCRs {list}, too; whether those are right was not asked (--expect)"));
    } else if known.is_empty() {
        let alone = format!("PCR {} is quoted alone", proof.pcr);
        warnings.push(format!("{alone}: nothing is proven about what was started before it was extended"));
    }
    if proof.unproven() > 0 {
        warnings.push(format!("the logs go on behind the quote: {} events are not proven", proof.unproven()));
    }
    warnings
}
