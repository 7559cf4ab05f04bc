//! `attest --nonce`: a quote with the values and the logs that belong to it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use super::held_key::with_attestation_key;
use super::pcr_list::PcrList;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Error, Result};
use crate::eventlog::PcrValues;
use crate::evidence::check::{Broken, Check};
use crate::evidence::evidence_file::EvidenceFile;
use crate::evidence::submission::Submission;
use crate::hash::bank::Bank;
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::tpm::EsysPcrs;
use crate::tpm::attestation::HeldKey;

/// How often the quote is made. Each time, a PCR may be extended between the reading of its value and the quote, or a log may be written after
/// the PCR is extended.
const TRIES: u32 = 4;

/// The firmware's log with measureroot's events behind it, and that of systemd, which begins with these.
const OWN_LOG: &str = "/run/measureroot/binary_bios_measurements";
const LOG_OF_SYSTEMD: &str = "/run/log/systemd/tpm2-measure.log";

/// Makes the file.
pub(super) fn make(
    tpm: &mut EsysPcrs,
    handle: Option<u32>,
    nonce: &[u8],
    pcrs: Option<&PcrList>,
    logs: &[PathBuf],
) -> Result<Vec<u8>> {
    // The logs before the quote: a file that is missing needs no TPM to be found.
    read(logs)?;
    let list = match pcrs {
        Some(list) => {
            check_active(tpm, list)?;
            list.clone()
        }
        None => PcrList::usual(&tpm.active_banks(PcrIndex::DEFAULT.into())?)?,
    };
    let evidence = with_attestation_key(tpm, handle, |tpm, key| {
        let mut tried = 1;
        loop {
            let evidence = quoted(tpm, key, nonce, &list.0, logs)?;
            match check(&evidence, judged(&list)) {
                Ok(()) => return Ok(evidence),
                Err(Broken { check: Check::Values | Check::Log, .. }) if tried < TRIES => tried += 1,
                Err(Broken { check: Check::Log, error }) => {
                    log::warn!("measureroot: the verifier will not accept this evidence: {error}");
                    return Ok(evidence);
                }
                Err(Broken { check, error }) => return Err(error.on(format_args!("check of the {check}"))),
            }
        }
    })?;
    Ok(evidence.to_json()?.into_bytes())
}

/// Checks that the TPM has each of these PCRs in its bank. It would leave out the others without a word.
fn check_active(tpm: &mut EsysPcrs, PcrList(list): &PcrList) -> Result<()> {
    let mut active = BTreeMap::new();
    for &(bank, pcr) in list {
        if let Entry::Vacant(place) = active.entry(pcr) {
            place.insert(tpm.active_banks(pcr)?);
        }
        let banks = &active[&pcr];
        if !banks.contains(&bank) {
            let banks = banks.iter().map(|bank| bank.name()).collect::<Vec<_>>().join(", ");
            let has = if banks.is_empty() { "has no active bank".to_owned() } else { format!("has {banks}") };
            return Err(Error::new(format_args!("--pcrs: PCR {pcr}, {bank}"), "this bank is not active in the TPM")
                .hint(format_args!("PCR {pcr} {has}; tpm2_pcrallocate and a restart switch banks on")));
        }
    }
    Ok(())
}

/// One quote, with the values and the logs at about the same time. The logs come last: events behind the quote do no harm.
fn quoted(
    tpm: &mut EsysPcrs,
    key: &HeldKey,
    nonce: &[u8],
    pcrs: &[(Bank, Pcr)],
    logs: &[PathBuf],
) -> Result<EvidenceFile> {
    let signed = tpm.quote(key, nonce, pcrs)?;
    let mut values = PcrValues::new();
    for &(bank, pcr) in pcrs {
        for (bank, value) in tpm.values(pcr, &[bank])? {
            values.entry(bank).or_default().insert(pcr, value);
        }
    }
    Ok(EvidenceFile {
        nonce: nonce.to_vec(),
        quote: signed.quote,
        signature: signed.signature,
        key: key.public.clone(),
        values,
        logs: read(logs)?,
    })
}

/// The PCR that the checks are about: that of the image, or the first one that is quoted.
fn judged(PcrList(list): &PcrList) -> PcrIndex {
    let index = |pcr: Pcr| PcrIndex::try_from(pcr.get()).ok();
    let quoted: Vec<_> = list.iter().filter_map(|(_, pcr)| index(*pcr)).collect();
    let is_usual = quoted.contains(&PcrIndex::DEFAULT);
    quoted.first().copied().filter(|_| !is_usual).unwrap_or(PcrIndex::DEFAULT)
}

/// The checks of the verifier.
fn check(evidence: &EvidenceFile, pcr: PcrIndex) -> std::result::Result<(), Broken> {
    let values = evidence.quoted_values().map_err(|error| Broken { check: Check::Values, error })?;
    let submission = Submission {
        quote: Some(&evidence.quote),
        signature: &evidence.signature,
        key: &evidence.key,
        nonce: Some(&evidence.nonce),
        values: Some(&values),
        logs: &evidence.named_logs(),
        pcr,
        sha1: true,
    };
    evidence.check_with(&submission.check()?)
}

/// The logs: those that the user names, or the usual ones.
fn read(logs: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    let read = |path: &Path| read_limited::read(path, read_limited::LOG, Kinds::Stream);
    if !logs.is_empty() {
        return logs.iter().map(|path| read(path)).collect();
    }
    let own = read(Path::new(OWN_LOG))
        .map_err(|error| error.hint("did measureroot boot this machine? --log names other logs"))?;
    let systemd = Path::new(LOG_OF_SYSTEMD);
    if systemd.exists() { Ok(vec![own, read(systemd)?]) } else { Ok(vec![own]) }
}
