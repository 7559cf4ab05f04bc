//! Reads the input as PCR values in the binary form of tpm2-tools.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::evidence::serialized_pcrs;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(values) = serialized_pcrs::parse(bytes) {
        // Each value has a place of 66 bytes in the file.
        let count: usize = values.values().map(|values| values.len()).sum();
        assert!((1..=bytes.len() / 66).contains(&count));
        assert!(values.values().flatten().all(|(pcr, _)| pcr.get() < 24));
    }
});
