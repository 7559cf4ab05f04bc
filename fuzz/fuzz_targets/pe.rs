//! Reads the input as a PE file and as a unified kernel image, and predicts what firmware and systemd's stub measure of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{PeFile, Uki, authenticode};
use measureroot::internal::hash::Bank;

const BANKS: [Bank; 1] = [Bank::Sha256];

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = PeFile::parse(bytes) else { return };
    assert!(file.sections().iter().all(|section| section.name().chars().count() <= 8));
    if let Ok(digests) = authenticode::digests(&file, &BANKS) {
        let longer = [bytes, &[0]].concat();
        let other = PeFile::parse(&longer).and_then(|file| authenticode::digests(&file, &BANKS));
        assert!(other != Ok(digests), "a byte behind the sections was not hashed");
    }
    let Ok(uki) = Uki::parse("uki", bytes) else { return };
    for append in [None, Some("a b")] {
        let Ok(forecasts) = uki.forecasts(append, &BANKS) else { continue };
        for forecast in forecasts.pcrs.values() {
            assert!(forecast.values(&BANKS).is_none_or(|values| (1..=256).contains(&values.len())));
        }
    }
});
