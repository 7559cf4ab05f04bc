//! Reads the input as the files of systemd-boot's menu, and predicts what is measured of each entry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{Esp, Volume, root_image};
use measureroot::internal::error::Result;
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::PcrIndex;

#[allow(dead_code)] // The tests use more of it.
#[path = "../../src/chain/made_pe.rs"]
mod made_pe;

use made_pe::MadePe;

/// A partition with systemd-boot. Every other file is the input.
struct Partition<'a> {
    loader: Vec<u8>,
    input: &'a [u8],
}

impl Volume for Partition<'_> {
    fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>> {
        let is_loader = path.eq_ignore_ascii_case("EFI/BOOT/BOOTX64.EFI");
        Ok(Some(if is_loader { self.loader.clone() } else { self.input.to_vec() }))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let name = match folder {
            "EFI/BOOT" => "BOOTX64.EFI",
            "EFI/Linux" => "a.efi",
            "loader/entries" => "a.conf",
            _ => return Ok(Vec::new()),
        };
        Ok(vec![name.to_owned()])
    }

    fn has_folder(&self, folder: &str) -> Result<bool> {
        Ok(folder.len() % 2 == 0)
    }
}

/// A program for UEFI with the section `.sdmagic` alone.
fn loader(version: &str) -> Vec<u8> {
    MadePe::new().exact(b".sdmagic", format!("#### LoaderInfo: systemd-boot {version} ####").as_bytes()).bytes()
}

fuzz_target!(|input: &[u8]| {
    for version in ["252.39", "255", "257.13"] {
        let Ok(esp) = Esp::of(&Partition { loader: loader(version), input }, &[Bank::Sha256]) else { continue };
        assert!(esp.loader.starts_with("systemd-boot ") && (1..=2).contains(&esp.entries.len()));
        for mut entry in esp.entries {
            root_image::add(&mut entry.forecasts, PcrIndex::DEFAULT, "root", &digests_of(&[Bank::Sha256], b"root"));
            assert!(entry.forecasts.pcrs.len() == 16);
        }
    }
});
