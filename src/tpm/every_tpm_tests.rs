//! Several TPMs, of which one may fail.

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::digests_of;
use crate::measure::measurement::{extend, extend_failed};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;
use crate::tpm::every_tpm::EveryTpm;
use crate::tpm::fake_pcrs::{FakePcrs, Fault};

const PCR: PcrIndex = PcrIndex::DEFAULT;

fn every<const N: usize>(tpms: &[FakePcrs; N], count: usize) -> EveryTpm {
    let named = tpms.iter().enumerate().map(|(nth, tpm)| {
        let pcrs: Box<dyn Pcrs> = Box::new(tpm.clone());
        (format!("tpm{nth}"), pcrs)
    });
    EveryTpm::new(named, Box::new(move || Ok(count)))
}

#[test]
fn each_tpm_is_extended_in_each_of_its_banks() {
    let tpms = [FakePcrs::new(&[Bank::Sha256], Fault::None), FakePcrs::new(&[Bank::Sha1, Bank::Sha256], Fault::None)];
    let mut all = every(&tpms, 2);
    let banks = all.banks(PCR).unwrap();
    assert_eq!(banks, [Bank::Sha1, Bank::Sha256]);
    let report = extend(&mut all, PCR, &digests_of(&banks, b"image")).unwrap();
    assert_eq!((report.banks.len(), report.session), (2, Some(Session::Hmac)));
    assert!(tpms[0].holds(Bank::Sha256, &[b"image"]));
    assert!(tpms[1].holds(Bank::Sha256, &[b"image"]) && tpms[1].holds(Bank::Sha1, &[b"image"]));
}

#[test]
fn a_tpm_that_does_not_extend_is_an_error_and_the_others_are_marked() {
    for fault in [Fault::Refuses, Fault::Drops] {
        for bad in [0, 1] {
            let tpms = [0, 1].map(|nth| FakePcrs::new(&[Bank::Sha256], if nth == bad { fault } else { Fault::None }));
            let mut all = every(&tpms, 2);
            let banks = all.banks(PCR).unwrap();
            let error = extend(&mut all, PCR, &digests_of(&banks, b"image")).unwrap_err().to_string();
            // The caller finds that the first TPM dropped the extend.
            let named = if (fault, bad) == (Fault::Drops, 0) { "PCR 13" } else { ["tpm0", "tpm1"][bad] };
            assert!(error.starts_with(named), "{fault:?}: {error}");
            assert_eq!(all.session(), Some(Session::None), "the weakest counts");
            extend_failed(&mut all, PCR, &banks).ok();
            assert!(tpms[1 - bad].holds(Bank::Sha256, &[b"image", b"measureroot: failed"]), "{fault:?}, {bad}");
        }
    }
}

#[test]
fn a_tpm_1_2_beside_a_tpm_2_is_extended_and_marked_in_its_only_bank() {
    const FAILED: &[u8] = b"measureroot: failed";
    let pair = || [FakePcrs::new(&[Bank::Sha256], Fault::None), FakePcrs::version12(Fault::None)];
    let tpms = pair();
    let mut all = every(&tpms, 2);
    let banks = all.banks(PCR).unwrap();
    let report = extend(&mut all, PCR, &digests_of(&banks, b"image")).unwrap();
    assert_eq!(report.tpms, [TpmVersion::V2_0, TpmVersion::V1_2]);
    assert!(tpms[0].holds(Bank::Sha256, &[b"image"]) && tpms[1].holds(Bank::Sha1, &[b"image"]));
    // The mark of a TPM that was opened again, with and without the banks that it named before.
    for known in [&[][..], &banks] {
        let tpms = pair();
        extend_failed(&mut every(&tpms, 2), PCR, known).unwrap();
        assert!(tpms[0].holds(Bank::Sha256, &[FAILED]) && tpms[1].holds(Bank::Sha1, &[FAILED]), "{known:?}");
    }
}

/// The banks are not known, so each gets a command of its own: those that the TPM 1.2 does not have must not count for it.
#[test]
fn a_tpm_1_2_that_refuses_the_mark_is_an_error_in_each_bank() {
    let (good, bad) = (FakePcrs::new(&Bank::ALL, Fault::None), FakePcrs::version12(Fault::Refuses));
    for tpms in [vec![bad.clone()], vec![good, bad]] {
        let named = tpms.iter().map(|tpm| ("tpm".to_owned(), Box::new(tpm.clone()) as Box<dyn Pcrs>));
        let count = tpms.len();
        let mut all = EveryTpm::new(named, Box::new(move || Ok(count)));
        for bank in Bank::ALL {
            assert!(all.extend(PCR, &digests_of(&[bank], b"x")).is_err(), "{count}, {bank}");
        }
    }
}

#[test]
fn for_the_mark_a_tpm_that_can_be_opened_is_enough() {
    let good = FakePcrs::new(&[Bank::Sha256], Fault::None);
    let opened = |good: Option<&FakePcrs>| {
        let bad: Result<Box<dyn Pcrs>> = Err(Error::new("tpm0", "busy"));
        let good = good.map(|good| ("tpm1".to_owned(), Ok(Box::new(good.clone()) as Box<dyn Pcrs>)));
        EveryTpm::of_those_that_opened([("tpm0".to_owned(), bad)].into_iter().chain(good), Box::new(|| Ok(2)))
    };
    // The count differs: the error says that one is not marked.
    for banks in [&[][..], &[Bank::Sha1, Bank::Sha256]] {
        extend_failed(&mut opened(Some(&good)).unwrap(), PCR, banks).ok();
    }
    assert!(!good.holds(Bank::Sha256, &[]));
    assert_eq!(opened(None).map(|_| ()).unwrap_err().object(), "tpm0");
}

#[test]
fn a_tpm_that_appears_later_is_an_error() {
    let tpms = [FakePcrs::new(&[Bank::Sha256], Fault::None)];
    let mut all = every(&tpms, 2);
    let banks = all.banks(PCR).unwrap();
    let error = extend(&mut all, PCR, &digests_of(&banks, b"image")).unwrap_err();
    assert_eq!(error.object(), "TPMs of this machine");
    assert!(extend(&mut every(&tpms, 1), PCR, &digests_of(&banks, b"image")).is_ok());
}
