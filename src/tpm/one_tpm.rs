//! One of the TPMs of the machine.

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, collected};
use crate::measure::measurement::warn_if_used;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::tpm_version::TpmVersion;

/// A TPM, and what is known about it.
pub(super) struct OneTpm {
    /// Empty if it is the only one.
    pub(super) name: String,
    pub(super) pcrs: Box<dyn Pcrs>,
    /// Its active banks; empty until they are known.
    pub(super) banks: Vec<Bank>,
    /// Why its last extend failed. If each bank gets a command of its own, a TPM that has only one of them must not count as
    /// extended because of the others.
    refused: Option<Error>,
}

impl OneTpm {
    /// This TPM, which nothing has asked for its banks.
    pub(super) fn new(name: String, pcrs: Box<dyn Pcrs>) -> Self {
        let banks = if pcrs.tpms() == [TpmVersion::V1_2] { vec![Bank::Sha1] } else { Vec::new() };
        Self { name, pcrs, banks, refused: None }
    }

    /// Says which TPM an error is about.
    pub(super) fn named(&self, error: Error) -> Error {
        if self.name.is_empty() { error } else { error.on(&self.name) }
    }

    /// Whether it may have this bank.
    pub(super) fn has(&self, bank: Bank) -> bool {
        self.banks.is_empty() || self.banks.contains(&bank)
    }

    /// The digests for its banks.
    fn own(&self, digests: &Digests) -> Digests {
        collected(digests.iter().filter(|(bank, _)| self.has(**bank)).map(|(bank, digest)| (*bank, digest.clone())))
    }

    /// Extends it in its own banks.
    pub(super) fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
        let own = self.own(digests);
        if !own.is_empty() {
            self.refused = self.pcrs.extend(pcr, &own).err();
        }
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// Extends it, and reads the PCR before and after. It is extended even if it cannot be read: this may be the mark of a failed
    /// boot.
    pub(super) fn extend_checked(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
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
