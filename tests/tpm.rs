//! The TPM back end against a real software TPM (swtpm), and against one that answers nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

mod swtpm;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use measureroot::hash::bank::Bank;
use measureroot::hash::digest::{Digest, digests_of};
use measureroot::measure::measurement;
use measureroot::measure::pcr::{PcrIndex, Pcrs};
use measureroot::tpm::EsysPcrs;
use swtpm::{Swtpm, pipe};

const PCR: PcrIndex = PcrIndex::DEFAULT;

#[test]
fn all_banks_are_extended_as_tpm2_tools_sees_it() {
    let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    assert_eq!(tpm.banks(PCR).unwrap(), Bank::ALL);
    let report = measurement::extend(&mut tpm, PCR, &digests_of(&Bank::ALL, b"image")).unwrap();
    measurement::extend_failed(&mut tpm, PCR).unwrap();
    drop(tpm);
    for (bank, extension) in report.banks {
        assert_eq!(extension.before, Digest::zero(bank));
        let failed = bank.digest(b"measureroot: failed");
        assert_eq!(swtpm.tpm2_pcrread(bank.name()), extension.after.extended(bank, &failed).to_string());
    }
}

#[test]
fn only_active_banks_are_found() {
    let swtpm = Swtpm::start("sha256,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    assert_eq!(tpm.banks(PCR).unwrap(), [Bank::Sha256, Bank::Sha512]);
    // A bank that is not active takes no extend and gives no value: that must not pass for a measurement.
    assert!(measurement::extend(&mut tpm, PCR, &digests_of(&[Bank::Sha1], b"image")).is_err());
}

#[test]
fn a_missing_device_is_named() {
    let Err(error) = EsysPcrs::open(Path::new("/dev/no-such-tpm")) else { panic!("opened") };
    assert_eq!(error.object(), "/dev/no-such-tpm");
}

#[test]
fn nonsense_is_refused_and_does_no_harm() {
    let header = |size: u32, code: u32| [&[0x80, 0x01][..], &size.to_be_bytes(), &code.to_be_bytes()].concat();
    let capability = |banks: u32, rest: &[u8]| {
        let body = [&[0, 0, 0, 0, 5][..], &banks.to_be_bytes(), rest].concat();
        [header(10 + u32::try_from(body.len()).unwrap(), 0), body].concat()
    };
    let table: [(&str, Vec<u8>); 8] = [
        ("an error code", header(10, 0x101)),
        ("no body", header(10, 0)),
        ("a size that is too large", header(u32::MAX, 0)),
        ("a size that is too small", header(3, 0)),
        ("no banks", capability(0, &[])),
        ("more banks than there are bytes", capability(16, &[0, 4, 3])),
        ("a huge number of banks", capability(u32::MAX, &[0; 64])),
        ("an unknown bank", capability(1, &[0x77, 0x77, 3, 0xff, 0xff, 0xff])),
    ];
    for (what, answer) in table {
        let (master, end, device) = pipe();
        let liar = std::thread::spawn(move || {
            let mut line = File::from(master);
            let mut command = [0; 4096];
            // Until the device's end is closed.
            while line.read(&mut command).is_ok_and(|bytes| bytes > 0) {
                line.write_all(&answer).ok();
            }
        });
        if let Ok(mut tpm) = EsysPcrs::open(&device) {
            assert!(tpm.banks(PCR).is_err(), "{what}");
        }
        drop(end);
        liar.join().unwrap();
    }
}
