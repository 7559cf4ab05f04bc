//! The warnings in a report: what the verdict does not prove.

use crate::count::counted;
use crate::evidence::pcr_result::{PcrOutcome, PcrResult};
use crate::evidence::proof::Proof;
use crate::measure::pcr::Pcr;

/// The warnings about a proof. `pcrs` has the result for each PCR.
pub(super) fn warnings(proof: &Proof, pcrs: &[PcrResult]) -> Vec<String> {
    let own = [
        only_sha1(proof),
        not_fresh(proof),
        unknown_key(proof),
        certificate(proof),
        other_pcrs(proof, pcrs),
        unlogged_pcrs(proof, pcrs),
        unproven_events(proof),
    ];
    own.into_iter().flatten().chain(proof.notes.iter().cloned()).collect()
}

fn not_fresh(proof: &Proof) -> Option<String> {
    let (why, what) = proof.fresh.doubt()?;
    Some(format!("NOT PROVEN TO BE FRESH: the quote may be from any earlier boot: {why} ({what})"))
}

fn only_sha1(proof: &Proof) -> Option<String> {
    proof.quote.attested.is_none().then(|| {
        "ONLY SHA-1: a TPM 1.2 has no other hash, in its PCRs and in its signature; who makes an image can make two with the same \
         digest, so the verdict is worth as much as your trust in its maker"
            .to_owned()
    })
}

fn unknown_key(proof: &Proof) -> Option<String> {
    (!proof.key.is_of_a_tpm()).then(|| {
        let (given, own) = match proof.quote.attested {
            Some(_) => ("a key in PEM or DER", "the key in the TPM's own format"),
            None => ("a public key", "the key blob that tpm_mkaik writes"),
        };
        format!(
            "{given} does not show whether it signs only quotes and is fixed to its TPM: make sure of both, or give {own}"
        )
    })
}

fn certificate(proof: &Proof) -> Option<String> {
    proof.key.is_certified.then(|| {
        "the key was taken from a certificate: make sure who signed it and for which machine, verify does not check that"
            .to_owned()
    })
}

fn other_pcrs(proof: &Proof, pcrs: &[PcrResult]) -> Option<String> {
    let unlogged = proof.unlogged();
    let (known, unknown): (Vec<_>, Vec<_>) =
        proof.others().into_iter().partition(|&pcr| is_expected(pcr, pcrs) || unlogged.contains(&pcr));
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

/// Whether the entry of the list or the user expects something of the PCR.
fn is_expected(pcr: Pcr, pcrs: &[PcrResult]) -> bool {
    let is_judged =
        |result| matches!(result, PcrOutcome::AsExpected | PcrOutcome::Different | PcrOutcome::NoCommonBank);
    pcrs.iter().any(|one| one.pcr == pcr && is_judged(one.result))
}

fn unlogged_pcrs(proof: &Proof, pcrs: &[PcrResult]) -> Option<String> {
    let unlogged = proof.unlogged().into_iter().filter(|&pcr| !is_expected(pcr, pcrs));
    let unlogged: Vec<_> = unlogged.map(|pcr| pcr.to_string()).collect();
    (!unlogged.is_empty()).then(|| {
        let list = unlogged.join(", ");
        format!("no log has events of other quoted PCRs ({list}): nothing is known about what extended them")
    })
}

fn unproven_events(proof: &Proof) -> Option<String> {
    let count = proof.unproven();
    (count > 0).then(|| format!("the quote does not prove {} that the logs have after it", counted(count, "event")))
}
