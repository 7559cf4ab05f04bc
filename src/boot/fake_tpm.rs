//! The TPM of a machine that is not real.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::boot::fake_call::Fault;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::soft_pcrs::SoftPcrs;

/// The banks of the fake TPM.
pub(super) const BANKS: [Bank; 2] = [Bank::Sha1, Bank::Sha256];

/// PCRs that outlive the boot, as a TPM does.
#[derive(Clone)]
pub(super) struct FakeTpm {
    pcrs: Arc<Mutex<SoftPcrs>>,
    extended: Arc<AtomicBool>,
    pub(super) fault: Fault,
}

impl FakeTpm {
    /// A TPM with PCRs of zeros and without a fault.
    pub(super) fn new() -> Self {
        let pcrs = Arc::new(Mutex::new(SoftPcrs::zero(&BANKS)));
        Self { pcrs, extended: Arc::default(), fault: Fault::None }
    }

    /// The values of PCR 13, whatever the fault is.
    pub(super) fn values(&self) -> Digests {
        self.pcrs.lock().unwrap().read(PcrIndex::DEFAULT, &BANKS).unwrap()
    }

    fn check(&self, fault: Fault) -> Result<()> {
        let only_extends =
            self.fault == Fault::ReadAfterExtend && self.extended.load(Ordering::Relaxed) && fault != Fault::Extend;
        if self.fault == fault || only_extends { Err(Error::new("TPM", "fails")) } else { Ok(()) }
    }
}

impl Pcrs for FakeTpm {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        self.check(Fault::Banks)?;
        self.pcrs.lock().unwrap().banks(pcr)
    }
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        self.check(Fault::Read)?;
        self.pcrs.lock().unwrap().read(pcr, banks)
    }
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        self.check(Fault::Extend)?;
        self.extended.store(true, Ordering::Relaxed);
        self.pcrs.lock().unwrap().extend(pcr, digests)
    }
}

/// The values of a PCR that was extended with these digests.
pub(super) fn extended_with(digests: impl IntoIterator<Item = Digests>) -> Digests {
    let mut pcrs = SoftPcrs::zero(&BANKS);
    for digests in digests {
        pcrs.extend(PcrIndex::DEFAULT, &digests).unwrap();
    }
    pcrs.read(PcrIndex::DEFAULT, &BANKS).unwrap()
}
