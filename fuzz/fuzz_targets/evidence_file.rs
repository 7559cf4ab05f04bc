//! Reads the input as a file of `measureroot attest`, and as a register's challenge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::evidence::{Challenge, EvidenceFile, Submission};
use measureroot::internal::measure::PcrIndex;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = EvidenceFile::parse(bytes) {
        // One value has one spelling.
        assert_eq!(EvidenceFile::parse(file.to_json().unwrap().as_bytes()).unwrap(), file);
        assert!(file.logs.len() <= 8 && file.logs.iter().map(Vec::len).sum::<usize>() <= bytes.len() / 2);
        let values = file.quoted_values().ok();
        let submission = Submission {
            quote: Some(&file.quote),
            signature: &file.signature,
            key: &file.key,
            nonce: Some(&file.nonce),
            values: values.as_deref(),
            logs: &[],
            pcr: PcrIndex::DEFAULT,
            sha1: true,
        };
        // A PCR that was extended needs a log.
        submission.check().map(drop).ok();
    }
    if let Ok(challenge) = Challenge::parse(bytes) {
        assert_eq!(12 + challenge.blob.len() + challenge.secret.len(), bytes.len());
    }
});
