//! All TPMs of the machine as one. If one of them stayed as it was, its PCR would say that nothing happened, and later software
//! could extend it with the digest of any image.

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, collected};
use crate::measure::measurement::warn_if_used;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;

/// Counts the TPMs of the machine.
type Count = Box<dyn Fn() -> Result<usize>>;

/// The TPMs of the machine. A bank has the value of the first TPM in which it is active.
pub(crate) struct EveryTpm {
    tpms: Vec<Tpm>,
    count: Count,
}

struct Tpm {
    /// Empty if it is the only one.
    name: String,
    pcrs: Box<dyn Pcrs>,
    /// Its active banks; empty until they are known.
    banks: Vec<Bank>,
    /// Why its last extend failed. If each bank gets a command of its own, a TPM that has only one of them must not count as
    /// extended because of the others.
    refused: Option<Error>,
}

impl EveryTpm {
    /// These TPMs, each with its name. `count` counts the TPMs of the machine when the PCR is extended: one may have appeared.
    pub(crate) fn new(tpms: impl IntoIterator<Item = (String, Box<dyn Pcrs>)>, count: Count) -> Self {
        let tpms = tpms.into_iter().map(|(name, pcrs)| {
            let banks = if pcrs.tpms() == [TpmVersion::V1_2] { vec![Bank::Sha1] } else { Vec::new() };
            Tpm { name, pcrs, banks, refused: None }
        });
        let mut tpms: Vec<_> = tpms.collect();
        if let [only] = tpms.as_mut_slice() {
            only.name.clear();
        }
        Self { tpms, count }
    }

    /// Those of these TPMs that could be opened, for the mark of a failed boot.
    ///
    /// # Errors
    /// The last error, if none could be opened.
    pub(crate) fn of_those_that_opened(
        tpms: impl IntoIterator<Item = (String, Result<Box<dyn Pcrs>>)>,
        count: Count,
    ) -> Result<Self> {
        let (mut opened, mut last) = (Vec::new(), None);
        for (name, tpm) in tpms {
            match tpm {
                Ok(tpm) => opened.push((name, tpm)),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if opened.is_empty() => return Err(error),
            Some(error) => log::error!("{error}"),
            None => {}
        }
        Ok(Self::new(opened, count))
    }
}

impl Pcrs for EveryTpm {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        for tpm in &mut self.tpms {
            tpm.banks = tpm.pcrs.banks(pcr).map_err(|error| tpm.named(error))?;
        }
        let mut active: Vec<_> = self.tpms.iter().flat_map(|tpm| tpm.banks.iter().copied()).collect();
        active.sort_unstable();
        active.dedup();
        Ok(active)
    }

    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        let mut values = Digests::new();
        for tpm in &mut self.tpms {
            let missing = banks.iter().copied().filter(|bank| !values.contains_key(bank));
            let wanted: Vec<_> = missing.filter(|bank| tpm.has(*bank)).collect();
            if !wanted.is_empty() {
                values.extend(tpm.pcrs.read(pcr, &wanted).map_err(|error| tpm.named(error))?);
            }
        }
        Ok(values)
    }

    /// Extends all TPMs, even if one of them refuses. The caller checks what it can read with [`Pcrs::read`]: all banks of the
    /// first TPM. The others are checked here.
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let results = self.tpms.iter_mut().enumerate().map(|(nth, tpm)| {
            let done = if nth == 0 { tpm.extend(pcr, digests) } else { tpm.extend_checked(pcr, digests) };
            done.map_err(|error| tpm.named(error))
        });
        results.collect::<Vec<_>>().into_iter().collect::<Result<()>>()?;
        let count = (self.count)()?;
        if count > self.tpms.len() {
            let cause = format!("there are {count}, but there were {} when the boot looked for them", self.tpms.len());
            return Err(Error::new("TPMs of this machine", cause)
                .hint("all must be extended; is the driver of each in the initramfs, and loaded early?"));
        }
        Ok(())
    }

    fn session(&self) -> Option<Session> {
        // The weakest protection counts.
        let sessions: Vec<_> = self.tpms.iter().filter_map(|tpm| tpm.pcrs.session()).collect();
        if sessions.contains(&Session::None) { Some(Session::None) } else { sessions.first().copied() }
    }

    fn tpms(&self) -> Vec<TpmVersion> {
        self.tpms.iter().flat_map(|tpm| tpm.pcrs.tpms()).collect()
    }
}

impl Tpm {
    fn named(&self, error: Error) -> Error {
        if self.name.is_empty() { error } else { error.on(&self.name) }
    }

    fn has(&self, bank: Bank) -> bool {
        self.banks.is_empty() || self.banks.contains(&bank)
    }

    /// The digests for its banks.
    fn own(&self, digests: &Digests) -> Digests {
        collected(digests.iter().filter(|(bank, _)| self.has(**bank)).map(|(bank, digest)| (*bank, digest.clone())))
    }

    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let own = self.own(digests);
        if !own.is_empty() {
            self.refused = self.pcrs.extend(pcr, &own).err();
        }
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// Extends it, and reads the PCR before and after. It is extended even if it cannot be read: this may be the mark of a failed
    /// boot.
    fn extend_checked(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let own = self.own(digests);
        let banks: Vec<_> = own.keys().copied().collect();
        let before = self.pcrs.read(pcr, &banks);
        self.extend(pcr, digests)?;
        let (before, after) = (before?, self.pcrs.read(pcr, &banks)?);
        let is_extended = |(bank, digest): (&Bank, &Digest)| {
            before.get(bank).is_some_and(|before| after.get(bank) == Some(&before.extended(*bank, digest)))
        };
        if !own.iter().all(is_extended) {
            return Err(Error::new(format_args!("PCR {pcr}"), "has another value than expected after the extend")
                .hint("does another program extend it, or is there an attacker on the bus to the TPM?"));
        }
        warn_if_used(&self.name, pcr, before.values());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::measurement::{extend, extend_failed};
    use crate::measure::soft_pcrs::SoftPcrs;

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    /// A TPM that other code can look at, and that can refuse or drop an extend.
    #[derive(Clone)]
    struct Shared {
        pcrs: Rc<std::cell::RefCell<SoftPcrs>>,
        fault: Rc<Cell<Fault>>,
        version: TpmVersion,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        Refuses,
        Drops,
    }

    impl Shared {
        fn with(banks: &[Bank], fault: Fault) -> Self {
            let pcrs = Rc::new(SoftPcrs::zero(banks).into());
            Self { pcrs, fault: Rc::new(fault.into()), version: TpmVersion::V2_0 }
        }

        fn version12(fault: Fault) -> Self {
            Self { version: TpmVersion::V1_2, ..Self::with(&[Bank::Sha1], fault) }
        }

        fn holds(&self, bank: Bank, texts: &[&[u8]]) -> bool {
            let zero = crate::hash::digest::Digest::zero(bank);
            let expected = texts.iter().fold(zero, |pcr, text| pcr.extended(bank, &bank.digest(text)));
            self.pcrs.borrow_mut().read(PCR, &[bank]).unwrap()[&bank] == expected
        }
    }

    impl Pcrs for Shared {
        fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
            self.pcrs.borrow_mut().banks(pcr)
        }
        fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
            self.pcrs.borrow_mut().read(pcr, banks)
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            // As a TPM 1.2 does.
            if self.version == TpmVersion::V1_2 && digests.keys().any(|bank| *bank != Bank::Sha1) {
                return Err(Error::new("extend", "only sha1"));
            }
            match self.fault.get() {
                Fault::None => self.pcrs.borrow_mut().extend(pcr, digests),
                Fault::Refuses => Err(Error::new("extend", "refused")),
                Fault::Drops => Ok(()),
            }
        }
        fn session(&self) -> Option<Session> {
            Some(if self.fault.get() == Fault::None { Session::Hmac } else { Session::None })
        }
        fn tpms(&self) -> Vec<TpmVersion> {
            vec![self.version]
        }
    }

    fn every<const N: usize>(tpms: &[Shared; N], count: usize) -> EveryTpm {
        let named = tpms.iter().enumerate().map(|(nth, tpm)| {
            let pcrs: Box<dyn Pcrs> = Box::new(tpm.clone());
            (format!("tpm{nth}"), pcrs)
        });
        EveryTpm::new(named, Box::new(move || Ok(count)))
    }

    #[test]
    fn each_tpm_is_extended_in_each_of_its_banks() {
        let tpms = [Shared::with(&[Bank::Sha256], Fault::None), Shared::with(&[Bank::Sha1, Bank::Sha256], Fault::None)];
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
                let tpms =
                    [0, 1].map(|nth| Shared::with(&[Bank::Sha256], if nth == bad { fault } else { Fault::None }));
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
        let pair = || [Shared::with(&[Bank::Sha256], Fault::None), Shared::version12(Fault::None)];
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
        let (good, bad) = (Shared::with(&Bank::ALL, Fault::None), Shared::version12(Fault::Refuses));
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
        let good = Shared::with(&[Bank::Sha256], Fault::None);
        let opened = |good: Option<&Shared>| {
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
        let tpms = [Shared::with(&[Bank::Sha256], Fault::None)];
        let mut all = every(&tpms, 2);
        let banks = all.banks(PCR).unwrap();
        let error = extend(&mut all, PCR, &digests_of(&banks, b"image")).unwrap_err();
        assert_eq!(error.object(), "TPMs of this machine");
        assert!(extend(&mut every(&tpms, 1), PCR, &digests_of(&banks, b"image")).is_ok());
    }
}
