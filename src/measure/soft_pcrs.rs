//! A PCR that is computed, not read from a TPM.

use crate::error::Result;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;

/// One PCR without a TPM. A prediction starts from its values and extends them.
#[derive(Debug, Clone)]
pub(crate) struct SoftPcrs {
    values: Digests,
}

impl SoftPcrs {
    /// A PCR that is zero in each bank.
    #[cfg(test)]
    pub(crate) fn zero(banks: &[Bank]) -> Self {
        Self { values: banks.iter().map(|&bank| (bank, crate::hash::digest::Digest::zero(bank))).collect() }
    }

    /// A PCR with the given values.
    #[must_use]
    pub(crate) fn with(values: Digests) -> Self {
        Self { values }
    }
}

impl Pcrs for SoftPcrs {
    fn banks(&mut self, _: PcrIndex) -> Result<Vec<Bank>> {
        Ok(self.values.keys().copied().collect())
    }

    fn read(&mut self, _: PcrIndex, banks: &[Bank]) -> Result<Digests> {
        Ok(self.values.iter().filter(|(bank, _)| banks.contains(bank)).map(|(&b, v)| (b, v.clone())).collect())
    }

    fn extend(&mut self, _: PcrIndex, digests: &Digests) -> Result<()> {
        for (&bank, value) in &mut self.values {
            if let Some(digest) = digests.get(&bank) {
                *value = value.extended(bank, digest);
            }
        }
        Ok(())
    }
}
