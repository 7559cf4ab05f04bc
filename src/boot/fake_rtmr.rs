//! The RTMR of a machine that is not real.

use std::sync::{Arc, Mutex};

use crate::boot::fake_call::Fault;
use crate::boot::rtmr_device::RtmrRequest;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::rtmr::RtmrIndex;
use crate::measure::soft_pcrs::SoftPcrs;

/// A register that outlives the boot.
#[derive(Clone)]
pub(super) struct FakeRtmr {
    value: Arc<Mutex<SoftPcrs>>,
    pub(super) fault: Fault,
}

impl FakeRtmr {
    /// A register of zeros.
    pub(super) fn new() -> Self {
        Self { value: Arc::new(Mutex::new(SoftPcrs::zero(&[RtmrIndex::BANK]))), fault: Fault::None }
    }

    /// Opens it.
    pub(super) fn open(&self, request: RtmrRequest) -> Rtmr {
        let index = match request {
            RtmrRequest::Measured(choice) | RtmrRequest::Unmeasured(choice) => choice.index(),
            RtmrRequest::Mark(index) => index,
        };
        Rtmr { index, register: Box::new(self.clone()) }
    }

    /// Whether it was extended with the digests of these texts, in this order, and with nothing else.
    pub(super) fn is_extended_with(&self, texts: &[&[u8]]) -> bool {
        let bank = RtmrIndex::BANK;
        let expected = texts.iter().fold(Digest::zero(bank), |value, text| value.extended(bank, &bank.digest(text)));
        self.value.lock().unwrap().read(PcrIndex::DEFAULT, &[bank]).unwrap()[&bank] == expected
    }
}

impl Pcrs for FakeRtmr {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        self.value.lock().unwrap().banks(pcr)
    }
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        self.value.lock().unwrap().read(pcr, banks)
    }
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        if self.fault == Fault::ExtendRtmr {
            return Err(Error::new("RTMR", "refuses"));
        }
        self.value.lock().unwrap().extend(pcr, digests)
    }
}
