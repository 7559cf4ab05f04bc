//! The evidence in a report: what a quote and its logs prove.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::eventlog;
use crate::evidence::proof::Proof;
use crate::evidence::quote::Clock;
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// What is proven, as `verify --json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Evidence {
    pcr: Pcr,
    values: BTreeMap<Bank, Digest>,
    /// The events that extended the PCR. Their digests are proven; their descriptions are not.
    events: Vec<Event>,
    quoted: BTreeMap<Bank, Vec<Pcr>>,
    nonce: String,
    /// The next three are of a TPM 2.0: a TPM 1.2 signs none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<Clock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_name: Option<String>,
    scheme: String,
    /// How many events the logs have after the quote.
    unproven: usize,
}

#[derive(Debug, Serialize)]
struct Event {
    digests: BTreeMap<Bank, Digest>,
    words: String,
}

impl Evidence {
    /// The evidence of a proof.
    pub(super) fn of(proof: &Proof) -> Self {
        let mut quoted: BTreeMap<Bank, Vec<Pcr>> = BTreeMap::new();
        for (bank, pcr) in proof.quote.selection.iter() {
            quoted.entry(bank).or_default().push(pcr);
        }
        let attested = proof.quote.attested.as_ref();
        Self {
            pcr: proof.pcr,
            values: proof.values().collect(),
            events: proof.events().map(|event| Event::of(event, &proof.banks)).collect(),
            quoted,
            nonce: hex::encode(&proof.quote.nonce),
            clock: attested.map(|attested| attested.clock),
            firmware: attested.map(|attested| format!("{:016x}", attested.firmware)),
            signer: attested.map(|attested| hex::encode(&attested.signer)),
            key: proof.key.material.name(),
            key_name: proof.key.name().map(hex::encode),
            scheme: proof.scheme.to_string(),
            unproven: proof.unproven(),
        }
    }

    /// A line for each event that extended the PCR.
    pub(super) fn lines(&self) -> String {
        self.events.iter().fold(String::new(), |mut text, event| {
            let digests: Vec<_> = event.digests.iter().map(|(bank, digest)| format!("{bank} {digest}")).collect();
            // Writing to a string does not fail.
            writeln!(
                text,
                "PCR {} was extended with {}; the log claims: {}",
                self.pcr,
                digests.join(", "),
                event.words
            )
            .ok();
            text
        })
    }
}

impl Event {
    /// An event with its digests in the banks that count.
    fn of(event: &eventlog::Event, banks: &[Bank]) -> Self {
        let digests = event.digests.iter().filter(|(bank, _)| banks.contains(bank));
        let digests = digests.map(|(&bank, digest)| (bank, digest.clone())).collect();
        Self { digests, words: event.describe_in(banks) }
    }
}
