//! PCRs, their values, and the arithmetic of extending them.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests};
use crate::measure::session::Session;

/// A PCR that the root image may be measured into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// 13, as in the systems that came before; firmware does not use it (TCG PC Client Platform Firmware Profile 1.05,
    /// section 3.3.4: 8-15 belong to the operating system).
    pub const DEFAULT: Self = Self(13);

    /// The number, 0-15 or 23.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PcrIndex {
    type Error = Error;

    fn try_from(index: u8) -> Result<Self> {
        match index {
            0..=15 | 23 => Ok(Self(index)),
            _ => Err(Error::new(format!("PCR {index}"), "not one of 0-15 and 23")
                .hint("16 to 22 can be reset, or extended only by a dynamic launch")),
        }
    }
}

impl FromStr for PcrIndex {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let index: u8 = text.parse().map_err(|_| Error::new(text, "not the number of a PCR").hint("0-15 or 23"))?;
        Self::try_from(index)
    }
}

impl Display for PcrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Any PCR of a TPM, as logs and quotes name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pcr(u8);

impl Pcr {
    /// How many a TPM of a PC has (TCG PC Client Platform TPM Profile 1.05, section 4.6).
    pub const COUNT: u8 = 24;

    /// The number, 0-23.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// All of them, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Its value before anything extends it: zero, or all ones from 17 to 22, which a dynamic launch alone sets to zero
    /// (TCG PC Client Platform TPM Profile 1.05, section 4.6.1).
    #[must_use]
    pub fn reset_value(self, bank: Bank) -> Digest {
        if (17..=22).contains(&self.0) { Digest::ones(bank) } else { Digest::zero(bank) }
    }
}

impl TryFrom<u32> for Pcr {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        match u8::try_from(number) {
            Ok(index) if index < Self::COUNT => Ok(Self(index)),
            _ => Err(Error::new(format!("PCR {number}"), format!("a TPM has the PCRs 0-{}", Self::COUNT - 1))),
        }
    }
}

impl From<PcrIndex> for Pcr {
    fn from(index: PcrIndex) -> Self {
        Self(index.0)
    }
}

impl Display for Pcr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The PCRs of a TPM, or arithmetic that stands in for them.
pub trait Pcrs {
    /// The banks in which `pcr` can be extended.
    ///
    /// # Errors
    /// When the TPM does not answer, has no such bank, or has one whose hash is unknown here: that bank would stay
    /// unextended, free for whoever comes next.
    fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>>;

    /// The value of `pcr` in each of `banks`.
    ///
    /// # Errors
    /// When the TPM does not answer with a value for every bank.
    fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests>;

    /// Extends `pcr` in all banks of `digests` with one command.
    ///
    /// # Errors
    /// When the TPM refuses.
    fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()>;

    /// What protects commands and answers on their way; `None` where there is no way.
    fn session(&self) -> Option<Session> {
        None
    }
}

/// PCRs without a TPM: the values that a prediction starts from, and those it ends with.
#[derive(Debug, Clone)]
pub struct SoftPcrs {
    values: Digests,
}

impl SoftPcrs {
    /// One PCR, all zero in each bank.
    #[must_use]
    pub fn zero(banks: &[Bank]) -> Self {
        Self { values: banks.iter().map(|&bank| (bank, Digest::zero(bank))).collect() }
    }

    /// One PCR with the given values.
    #[must_use]
    pub fn with(values: Digests) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pcr_indices() {
        for index in 0..=255u8 {
            assert_eq!(PcrIndex::try_from(index).is_ok(), index < 16 || index == 23, "{index}");
        }
        for text in ["", "-1", "13 ", "0x0d", "256", "+13x"] {
            assert!(text.parse::<PcrIndex>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn pcrs_and_their_reset_values() {
        for number in (0..64).chain([255, 256, 256 + 13, u32::MAX]) {
            assert_eq!(Pcr::try_from(number).is_ok(), number < 24, "{number}");
        }
        for pcr in Pcr::all() {
            let ones = pcr.reset_value(Bank::Sha1).as_bytes() == [0xFF; 20];
            assert_eq!(ones, (17..23).contains(&pcr.get()), "{pcr}");
        }
    }
}
