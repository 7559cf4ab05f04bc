//! The warnings in a report: what the verdict does not prove.

use crate::count::counted;
use crate::eventlog::PcrValues;
use crate::evidence::proof::Proof;
use crate::measure::pcr::Pcr;

/// The warnings about a proof. `expected` has the values that the user expects of other PCRs.
pub(super) fn warnings(proof: &Proof, expected: &PcrValues) -> Vec<String> {
    [not_fresh(proof), unknown_key(proof), other_pcrs(proof, expected), unproven_events(proof)]
        .into_iter()
        .flatten()
        .collect()
}

fn not_fresh(proof: &Proof) -> Option<String> {
    (!proof.fresh).then(|| "NOT PROVEN TO BE FRESH: without --nonce, the quote may be from any earlier boot".to_owned())
}

fn unknown_key(proof: &Proof) -> Option<String> {
    proof.key.name.is_none().then(|| {
        "a key in PEM or DER does not show whether it signs only quotes and is fixed to its TPM: make sure of both, or give \
         the key in the TPM's own format"
            .to_owned()
    })
}

fn other_pcrs(proof: &Proof, expected: &PcrValues) -> Option<String> {
    let is_expected = |pcr: &Pcr| expected.values().any(|values| values.contains_key(pcr));
    let (known, unknown): (Vec<_>, Vec<_>) = proof.others().into_iter().partition(is_expected);
    let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    if !unknown.is_empty() {
        return Some(format!(
            "the logs lead to the values of other quoted PCRs ({}), but no expected values are given for them (--expect)",
            unknown.join(", ")
        ));
    }
    known.is_empty().then(|| {
        format!(
            "PCR {} is quoted alone: nothing is proven about the programs that ran before measureroot extended it",
            proof.pcr
        )
    })
}

fn unproven_events(proof: &Proof) -> Option<String> {
    let count = proof.unproven();
    (count > 0).then(|| format!("the quote does not prove {} that the logs have after it", counted(count, "event")))
}
