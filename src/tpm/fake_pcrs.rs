//! Registers for the tests of this folder: other code can look at them, and they can fail.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::session::Session;
use crate::measure::soft_pcrs::SoftPcrs;
use crate::measure::tpm_version::TpmVersion;

/// What happens to an extend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Refuses,
    Drops,
}

/// Registers in some banks. Clones are the same registers.
#[derive(Clone)]
pub(super) struct FakePcrs {
    pcrs: Rc<RefCell<SoftPcrs>>,
    banks: Vec<Bank>,
    pub(super) fault: Rc<Cell<Fault>>,
    version: TpmVersion,
    /// Whether it refuses the digest of a bank that it does not have.
    is_strict: bool,
}

impl FakePcrs {
    /// A TPM 2.0 whose active banks these are. It ignores a digest of another bank.
    pub(super) fn new(banks: &[Bank], fault: Fault) -> Self {
        let pcrs = Rc::new(SoftPcrs::zero(banks).into());
        let fault = Rc::new(fault.into());
        Self { pcrs, banks: banks.to_vec(), fault, version: TpmVersion::V2_0, is_strict: false }
    }

    /// A TPM 1.2.
    pub(super) fn version12(fault: Fault) -> Self {
        Self { version: TpmVersion::V1_2, ..Self::strict(Bank::Sha1, fault) }
    }

    /// A register with this bank that refuses a digest of another one.
    pub(super) fn strict(bank: Bank, fault: Fault) -> Self {
        Self { is_strict: true, ..Self::new(&[bank], fault) }
    }

    /// Whether PCR 13 was extended with the digests of these texts, and with nothing else.
    pub(super) fn holds(&self, bank: Bank, texts: &[&[u8]]) -> bool {
        let zero = Digest::zero(bank);
        let expected = texts.iter().fold(zero, |pcr, text| pcr.extended(bank, &bank.digest(text)));
        self.pcrs.borrow_mut().read(PcrIndex::DEFAULT, &[bank]).unwrap()[&bank] == expected
    }

    /// The same, in its first bank.
    pub(super) fn is_extended_with(&self, texts: &[&[u8]]) -> bool {
        self.holds(self.banks[0], texts)
    }
}

impl Pcrs for FakePcrs {
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
        self.pcrs.borrow_mut().banks(pcr)
    }
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        self.pcrs.borrow_mut().read(pcr, banks)
    }
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        if self.is_strict && digests.keys().any(|bank| !self.banks.contains(bank)) {
            return Err(Error::new("register", "does not have this bank"));
        }
        match self.fault.get() {
            Fault::None => self.pcrs.borrow_mut().extend(pcr, digests),
            Fault::Refuses => Err(Error::new("register", "refuses")),
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
