//! Reads the input as a PE file, as a kernel and as a unified kernel image, and predicts what firmware, the kernel's EFI stub and
//! systemd's stub measure of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Forecasts, Given, Kernel, Named, PeFile, Uki, authenticode};
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
    if let Ok(kernel) = Kernel::parse("kernel", bytes) {
        let initrd = Named { name: "initrd".to_owned(), bytes: bytes.into() };
        let none = Given::default();
        let all = Given { command_line: Some("a b"), initrds: &[initrd], ..Given::default() };
        for given in [none, all] {
            kernel.forecasts(&given, &BANKS).iter().for_each(check);
        }
    }
    if let Ok(uki) = Uki::parse("uki", bytes) {
        for append in [None, Some("a b")] {
            uki.forecasts(append, &BANKS).iter().for_each(check);
        }
    }
});

fn check(forecasts: &Forecasts) {
    for forecast in forecasts.pcrs.values() {
        assert!(forecast.values(&BANKS).is_none_or(|values| (1..=256).contains(&values.len())));
    }
}
