//! Reads the input as GRUB's configuration, and predicts what is measured of each entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Esp, Volume};
use measureroot::internal::error::Result;
use measureroot::internal::hash::Bank;

#[path = "../../src/chain/grub/made_grub.rs"]
mod made_grub;
#[allow(dead_code)] // The tests use more of it.
#[path = "../../src/chain/made_pe.rs"]
mod made_pe;

/// A partition with GRUB. Every other file is the input, but modules and lists.
struct Partition<'a> {
    loader: Vec<u8>,
    input: &'a [u8],
}

impl Volume for Partition<'_> {
    fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>> {
        if path.eq_ignore_ascii_case("EFI/BOOT/BOOTX64.EFI") {
            return Ok(Some(self.loader.clone()));
        }
        let is_input = !path.ends_with(".mod") && !path.ends_with(".lst") && !path.contains("none");
        Ok(is_input.then(|| self.input.to_vec()))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        Ok(vec![if folder == "EFI/BOOT" { "BOOTX64.EFI" } else { "file" }.to_owned()])
    }

    fn has_folder(&self, folder: &str) -> Result<bool> {
        Ok(folder.len() % 2 == 0)
    }
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input).replace('\0', "");
    for (version, config) in [("2.06", ""), ("2.12", text.as_str())] {
        let loader = made_grub::usual(version, config, "/boot/grub", &[]);
        let Ok(esp) = Esp::of(&Partition { loader, input }, &[Bank::Sha256]) else { continue };
        assert!(esp.loader.starts_with("GRUB ") && (1..=256).contains(&esp.entries.len()));
        assert!(esp.entries.iter().filter(|entry| entry.is_default).count() <= 1);
        for entry in esp.entries {
            assert!(entry.forecasts.pcrs.len() == 16);
        }
    }
});
