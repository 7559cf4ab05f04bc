//! The RTMR of a machine that is not real.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::boot::fake_call::Fault;
use crate::boot::rtmr_device::RtmrRequest;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, digests_of};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::rtmr::RtmrIndex;
use crate::measure::soft_pcrs::SoftPcrs;

/// What happens instead of a command to the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    Error,
    /// The extend is dropped.
    Nothing,
    /// The extend is made twice.
    Twice,
    /// A read gives another value.
    OtherValue,
}

/// The command that fails: the number of those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fails {
    pub(super) at: usize,
    pub(super) instead: Instead,
    /// The same for all later commands.
    pub(super) for_ever: bool,
}

/// A register that outlives the boot.
#[derive(Clone)]
pub(super) struct FakeRtmr {
    value: Arc<Mutex<SoftPcrs>>,
    commands: Arc<AtomicUsize>,
    pub(super) fault: Fault,
    pub(super) fails: Option<Fails>,
}

impl FakeRtmr {
    /// A register of zeros.
    pub(super) fn new() -> Self {
        let value = Arc::new(Mutex::new(SoftPcrs::zero(&[RtmrIndex::BANK])));
        Self { value, commands: Arc::default(), fault: Fault::None, fails: None }
    }

    /// What happens instead of the next command.
    fn next(&self) -> Result<Option<Instead>> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let is_due = |fails: &Fails| number == fails.at || fails.for_ever && number > fails.at;
        match self.fails.filter(is_due).map(|fails| fails.instead) {
            Some(Instead::Error) => Err(Error::new("RTMR", "fails")),
            instead => Ok(instead),
        }
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
        if self.next()? == Some(Instead::OtherValue) {
            return SoftPcrs::with(digests_of(banks, b"another value")).read(pcr, banks);
        }
        self.value.lock().unwrap().read(pcr, banks)
    }
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        if self.fault == Fault::ExtendRtmr {
            return Err(Error::new("RTMR", "refuses"));
        }
        let times = match self.next()? {
            Some(Instead::Nothing) => 0,
            Some(Instead::Twice) => 2,
            _ => 1,
        };
        (0..times).try_for_each(|_| self.value.lock().unwrap().extend(pcr, digests))
    }
}
