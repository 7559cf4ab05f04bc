//! Reads the input as what a TPM 1.2 gives: a key in each of its forms, PCR values, and a signature with both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::evidence::{Check, Submission, tpm12_values};
use measureroot::internal::measure::PcrIndex;

const BLOB: &[u8] = include_bytes!("../corpus/tpm12/aik.blob");
const VALUES: &[u8] = include_bytes!("../corpus/tpm12/pcrs");
const SIGNATURE: &[u8] = include_bytes!("../corpus/tpm12/quote");

/// Which check refuses the evidence. No quote was made for this nonce.
fn refused(signature: &[u8], key: &[u8], values: &[u8]) -> Check {
    let submission = Submission {
        quote: None,
        signature,
        key,
        nonce: Some(&[0x5A; 20]),
        values: Some(values),
        logs: &[],
        pcr: PcrIndex::DEFAULT,
        sha1: true,
    };
    submission.check().unwrap_err().check
}

fuzz_target!(|bytes: &[u8]| {
    assert!([Check::Key, Check::Signature].contains(&refused(SIGNATURE, bytes, VALUES)));
    assert_eq!(refused(bytes, BLOB, VALUES), Check::Signature);
    assert!([Check::Values, Check::Signature].contains(&refused(SIGNATURE, BLOB, bytes)));
    if let Some(values) = std::str::from_utf8(bytes).ok().and_then(|text| tpm12_values::parse(text).ok()) {
        assert!(values.len() == 1 && values.values().all(|values| (1..=24).contains(&values.len())));
    }
});
