//! Reads the input as a PE file, as a kernel, as a unified kernel image and as a boot loader, and predicts what firmware, the kernel's EFI
//! stub, systemd's stub and boot loaders measure of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Esp, Forecasts, Given, Kernel, Named, PeFile, Uki, Volume, authenticode};
use measureroot::internal::error::Result;
use measureroot::internal::hash::Bank;

const BANKS: [Bank; 1] = [Bank::Sha256];

/// A partition on which every file is the input: shim starts itself as GRUB, and GRUB's configuration has its bytes.
struct Partition<'a>(&'a [u8]);

impl Volume for Partition<'_> {
    fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.0.to_vec()))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        Ok(if folder == "EFI/BOOT" { vec!["BOOTX64.EFI".to_owned()] } else { Vec::new() })
    }

    fn has_folder(&self, _: &str) -> Result<bool> {
        Ok(true)
    }
}

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
    if let Ok(esp) = Esp::of(&Partition(bytes), &BANKS) {
        esp.entries.iter().for_each(|entry| check(&entry.forecasts));
    }
});

fn check(forecasts: &Forecasts) {
    for forecast in forecasts.pcrs.values() {
        assert!(forecast.values(&BANKS).is_none_or(|values| (1..=256).contains(&values.len())));
    }
}
