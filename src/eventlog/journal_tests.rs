//! The files that a boot writes: each leads to the values of the PCR.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::claim::Claim;
use super::header::Header;
use super::journal::{self, Journal};
use super::log_form::LogForm;
use super::recorder::Recorder;
use super::{Log, parse};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digests, digests_of};
use crate::measure::pcr::{Pcr, PcrIndex};
use crate::measure::pcrs::Pcrs;
use crate::measure::soft_pcrs::SoftPcrs;

const PCR: PcrIndex = PcrIndex::DEFAULT;
const OVMF: &[u8] = include_bytes!("../../tests/eventlog/ovmf.bin");

fn agile(banks: &[Bank]) -> LogForm {
    LogForm::CryptoAgile(Header::of(banks.iter().copied()))
}

fn image() -> Claim {
    Claim::image("/dev/vda", 5, "verity")
}

fn firmware(bytes: &[u8]) -> File {
    use std::io::Seek;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// Records one event before the files exist and one after. Returns the values of the PCR.
fn boot(run: &Path, banks: &[Bank], before: Option<&[u8]>) -> Digests {
    let (mut tpm, mut recorder) = (SoftPcrs::zero(banks), Recorder::default());
    assert_eq!(recorder.form(), None);
    recorder.measured(&mut tpm, PCR, &digests_of(banks, b"image"), image()).unwrap();
    let journal = Journal::create(run, recorder.form().unwrap(), before.map(firmware)).unwrap();
    recorder.write_to(journal).unwrap();
    recorder.failed(&mut tpm, PCR).unwrap();
    tpm.read(PCR, banks).unwrap()
}

fn log(run: &Path, name: &str) -> Log {
    parse(&fs::read(run.join(name)).unwrap()).unwrap()
}

#[test]
fn replaying_each_file_gives_the_value_of_the_pcr() {
    let run = tempfile::tempdir().unwrap();
    let held = boot(run.path(), &Bank::ALL, Some(OVMF));
    let pcr = Pcr::from(PCR);
    for name in [journal::OWN, journal::WHOLE, journal::SYSTEMD] {
        let log = log(run.path(), name);
        for (bank, value) in &held {
            assert_eq!(log.replay()[bank][&pcr], *value, "{name}, {bank}");
        }
        let ours: Vec<_> = log.events_of(pcr).filter_map(|(_, event)| Claim::of(event)).collect();
        assert_eq!(ours, [image(), Claim::failed()], "{name}");
        assert_eq!(fs::metadata(run.path().join(name)).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
    }
    assert!(fs::read(run.path().join(journal::WHOLE)).unwrap().starts_with(OVMF));
    assert_eq!(log(run.path(), journal::OWN).events().len(), 2);
}

#[test]
fn our_events_in_a_firmwares_log_have_its_banks() {
    for (banks, name) in [(&[Bank::Sha1, Bank::Sha512][..], "fewer"), (&Bank::ALL, "the same")] {
        let before = Header::of([Bank::Sha512, Bank::Sha256].into_iter()).encode();
        let run = tempfile::tempdir().unwrap();
        boot(run.path(), banks, Some(&before));
        let log = log(run.path(), journal::WHOLE);
        assert_eq!(log.events()[0].digests.keys().collect::<Vec<_>>(), [&Bank::Sha256, &Bank::Sha512], "{name}");
    }
}

#[test]
fn a_missing_firmware_log_leaves_ours_as_the_whole_and_a_malformed_one_leaves_none() {
    for before in [None, Some(&[][..])] {
        let run = tempfile::tempdir().unwrap();
        boot(run.path(), &[Bank::Sha256], before);
        assert_eq!(log(run.path(), journal::WHOLE), log(run.path(), journal::OWN));
    }
    let run = tempfile::tempdir().unwrap();
    boot(run.path(), &[Bank::Sha256], Some(&[0; 100]));
    assert!(!run.path().join(journal::WHOLE).exists() && log(run.path(), journal::OWN).events().len() == 2);
}

#[test]
fn existing_files_and_a_firmware_log_that_is_too_long_are_refused() {
    for name in [journal::OWN, journal::WHOLE] {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join("measureroot")).unwrap();
        fs::write(run.path().join(name), "planted").unwrap();
        assert!(Journal::create(run.path(), agile(&Bank::ALL), None).is_err(), "{name}");
    }
    let run = tempfile::tempdir().unwrap();
    let large = firmware(OVMF);
    large.set_len(5 << 20).unwrap();
    assert!(Journal::create(run.path(), agile(&Bank::ALL), Some(large)).is_err());
    let run = tempfile::tempdir().unwrap();
    let longest = firmware(OVMF);
    longest.set_len(4 << 20).unwrap();
    assert!(Journal::create(run.path(), agile(&Bank::ALL), Some(longest)).is_ok());
}

#[test]
fn systemds_log_is_continued_and_its_sticky_bit_kept() {
    for mode in [0o600, 0o1600] {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join(journal::SYSTEMD);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "\u{1e}{\"pcr\":15,\"digests\":[]}\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        boot(run.path(), &[Bank::Sha256], None);
        assert_eq!(log(run.path(), journal::SYSTEMD).events().len(), 3);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        // The same with one more record.
        fs::remove_dir_all(run.path().join("measureroot")).unwrap();
        let mut recorder = Recorder::default();
        recorder.failed(&mut SoftPcrs::zero(&Bank::ALL), PCR).unwrap();
        recorder.write_to(Journal::create(run.path(), agile(&Bank::ALL), None).unwrap()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        fs::remove_file(&path).unwrap();
        // A link that another program planted is not followed, be it to a regular file.
        fs::write(run.path().join("other"), "").unwrap();
        for planted in [Path::new("/dev/null"), &run.path().join("other")] {
            std::os::unix::fs::symlink(planted, &path).unwrap();
            fs::remove_dir_all(run.path().join("measureroot")).unwrap();
            let mut recorder = Recorder::default();
            recorder.failed(&mut SoftPcrs::zero(&Bank::ALL), PCR).unwrap();
            assert!(recorder.write_to(Journal::create(run.path(), agile(&Bank::ALL), None).unwrap()).is_err());
            fs::remove_file(&path).unwrap();
        }
    }
}
