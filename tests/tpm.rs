//! The TPM back end with a software TPM (swtpm), and with a device that answers nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod swtpm;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use measureroot::internal::hash::{Bank, Digest, digests_of};
use measureroot::internal::measure::{PcrIndex, Pcrs, measurement};
use measureroot::internal::tpm::EsysPcrs;
use swtpm::{Pty, Swtpm, pty};

const PCR: PcrIndex = PcrIndex::DEFAULT;

#[test]
fn tpm2_tools_read_the_extended_value_in_all_banks() {
    let swtpm = Swtpm::start("sha1,sha256,sha384,sha512");
    let mut tpm = EsysPcrs::open(&swtpm.device).unwrap();
    assert_eq!(tpm.banks(PCR).unwrap(), Bank::ALL);
    let report = measurement::extend(&mut tpm, PCR, &digests_of(&Bank::ALL, b"image")).unwrap();
    measurement::extend_failed(&mut tpm, PCR, &[]).unwrap();
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
    // A bank that is not active ignores an extend and has no value. That must not count as a measurement.
    assert!(measurement::extend(&mut tpm, PCR, &digests_of(&[Bank::Sha1], b"image")).is_err());
}

#[test]
fn the_error_names_a_missing_device() {
    let Err(error) = EsysPcrs::open(Path::new("/dev/no-such-tpm")) else { panic!("opened") };
    assert_eq!(error.object(), "/dev/no-such-tpm");
}

#[test]
fn a_nonsensical_answer_is_refused() {
    let header = |size: u32, code: u32| [&[0x80, 0x01][..], &size.to_be_bytes(), &code.to_be_bytes()].concat();
    let capability = |banks: u32, rest: &[u8]| {
        let body = [&[0, 0, 0, 0, 5][..], &banks.to_be_bytes(), rest].concat();
        [header(10 + u32::try_from(body.len()).unwrap(), 0), body].concat()
    };
    let table = [
        ("an error code", header(10, 0x101), "failure mode"),
        ("no body", header(10, 0), "malformed"),
        ("a size that is too large", header(u32::MAX, 0), "another size"),
        ("a size that is too small", header(3, 0), "another size"),
        ("no banks", capability(0, &[]), "no bank of it is active"),
        ("more banks than there are bytes", capability(16, &[0, 4, 3]), "malformed"),
        ("a huge number of banks", capability(u32::MAX, &[0; 64]), "malformed"),
        ("an unknown bank", capability(1, &[0x77, 0x77, 3, 0xff, 0xff, 0xff]), "an algorithm"),
    ];
    for (what, answer, cause) in table {
        let Pty { tpm: line, device, path } = pty();
        let liar = std::thread::spawn(move || {
            let mut line = File::from(line);
            let mut command = [0; 4096];
            // Ends when the device is closed.
            while line.read(&mut command).is_ok_and(|bytes| bytes > 0) {
                line.write_all(&answer).ok();
            }
        });
        let error = EsysPcrs::open(&path).unwrap().banks(PCR).unwrap_err().to_string();
        assert!(error.contains(cause), "{what}: {error}");
        drop(device);
        liar.join().unwrap();
    }
}
