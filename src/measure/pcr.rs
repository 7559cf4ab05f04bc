//! The numbers of PCRs, and the values that PCRs have after a reset.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

/// A PCR that the root image may be measured into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// 13, which earlier systems used too. Firmware does not extend it: PCRs 8-15 belong to the operating
    /// system (TCG PC Client Platform Firmware Profile 1.05, section 3.3.4). Boot loaders extend some of these: GRUB 8 and
    /// 9, systemd-stub 11 and 12, and 13 only for system extensions beside the unified kernel image (systemd-stub(7)).
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
    /// The number of PCRs in the TPM of a PC (TCG PC Client Platform TPM Profile 1.05, section 4.6).
    const COUNT: u8 = 24;

    /// The number, 0-23.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// All PCRs, in order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The value before anything extends the PCR: all ones for 17-22, which only a dynamic launch sets to zero, and zero for
    /// the others (TCG PC Client Platform TPM Profile 1.05, section 4.6.1).
    #[must_use]
    pub(crate) fn reset_value(self, bank: Bank) -> Digest {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_image_may_be_measured_into_pcrs_0_to_15_and_23() {
        for index in 0..=255u8 {
            assert_eq!(PcrIndex::try_from(index).is_ok(), index < 16 || index == 23, "{index}");
        }
        for text in ["", "-1", "13 ", "0x0d", "256", "+13x"] {
            assert!(text.parse::<PcrIndex>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_tpm_has_24_pcrs_and_17_to_22_start_as_ones() {
        for number in (0..64).chain([255, 256, 256 + 13, u32::MAX]) {
            assert_eq!(Pcr::try_from(number).is_ok(), number < 24, "{number}");
        }
        for pcr in Pcr::all() {
            let ones = pcr.reset_value(Bank::Sha1).as_bytes() == [0xFF; 20];
            assert_eq!(ones, (17..23).contains(&pcr.get()), "{pcr}");
        }
    }
}
