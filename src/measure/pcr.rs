//! The numbers of PCRs, what a platform lets programs do to each of them, and their values after a reset.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Serialize;

use crate::cmdline::number::decimal;
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

    /// The number, 0-15.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// The hint of every error about the number.
const USABLE: &str = "0-15: PCRs that nothing but a reset of the machine resets";

impl TryFrom<u8> for PcrIndex {
    type Error = Error;

    fn try_from(index: u8) -> Result<Self> {
        let pcr = Pcr::try_from(u32::from(index)).map_err(|error| error.hint(USABLE))?;
        let cause = if pcr.is_reset_from(LINUX) {
            "every program can reset it and extend it anew, so a boot could be forged"
        } else if !pcr.is_extended_from(LINUX) || pcr.attributes().reset != 0 {
            "belongs to a dynamic launch"
        } else {
            return Ok(Self(index));
        };
        Err(Error::new(format_args!("PCR {index}"), cause).hint(USABLE))
    }
}

impl FromStr for PcrIndex {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let index = decimal(text).and_then(|index| u8::try_from(index).ok());
        index.map_or_else(|| Err(Error::new(text, "not the number of a PCR").hint(USABLE)), Self::try_from)
    }
}

impl Display for PcrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The locality of every command from Linux (kernel, drivers/char/tpm/tpm-chip.c, `tpm_request_locality`).
const LINUX: u8 = 0;

/// The highest locality that a TPM may be started from. Without an event, PCR 0 then holds its number (TCG PC Client Platform TPM Profile
/// 1.05, section 4.6.2 and table 2).
#[cfg(feature = "evidence")]
pub(crate) const MAX_LOCALITY: u8 = 4;

/// What the platform lets the localities do to a PCR: bit L stands for locality L.
struct Attributes {
    /// The localities whose `TPM2_PCR_Reset` resets it.
    reset: u8,
    /// The localities whose `TPM2_PCR_Extend` extends it.
    extend: u8,
    /// Whether it starts with all ones. Then only a dynamic launch sets it to zero.
    ones: bool,
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

    /// The tables "PCR Attributes" and "PCR Initial and Reset Values" of the TCG PC Client Platform TPM Profile 1.05,
    /// sections 4.6.1 and 4.6.2. What follows from them (which PCRs can hold a measurement, start values) is derived from
    /// here alone. tests/pcr_attributes.rs tries each row on a software TPM.
    fn attributes(self) -> Attributes {
        let (reset, extend, ones) = match self.0 {
            // The static root of trust: firmware, boot loader, operating system.
            0..=15 => (0, 0b1_1111, false),
            // 17-22 belong to a dynamic launch.
            17 | 18 => (0b1_0000, 0b1_1100, true),
            19 => (0b1_0000, 0b0_1100, true),
            20 => (0b1_0100, 0b0_1110, true),
            21 | 22 => (0b1_0100, 0b0_0100, true),
            // 16 is for debugging, 23 for applications.
            _ => (0b0_1111, 0b1_1111, false),
        };
        Attributes { reset, extend, ones }
    }

    /// Whether `TPM2_PCR_Reset` from this locality resets the PCR.
    #[must_use]
    pub fn is_reset_from(self, locality: u8) -> bool {
        self.attributes().reset >> locality & 1 == 1
    }

    /// Whether `TPM2_PCR_Extend` from this locality extends the PCR.
    #[must_use]
    pub fn is_extended_from(self, locality: u8) -> bool {
        self.attributes().extend >> locality & 1 == 1
    }

    /// The value before anything extends the PCR.
    #[must_use]
    pub fn reset_value(self, bank: Bank) -> Digest {
        if self.attributes().ones { Digest::ones(bank) } else { Digest::zero(bank) }
    }
}

impl TryFrom<u32> for Pcr {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        match u8::try_from(number) {
            Ok(index) if index < Self::COUNT => Ok(Self(index)),
            _ => {
                Err(Error::new(format_args!("PCR {number}"), format_args!("a TPM has the PCRs 0-{}", Self::COUNT - 1)))
            }
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
    fn a_root_image_may_be_measured_into_pcrs_that_nothing_resets() {
        for index in 0..=255u8 {
            assert_eq!(PcrIndex::try_from(index).is_ok(), index < 16, "{index}");
        }
        for (index, cause) in [(16, "could be forged"), (23, "reset it and extend it anew"), (17, "dynamic launch")] {
            let error = PcrIndex::try_from(index).unwrap_err().to_string();
            assert!(error.contains(cause), "{error}");
        }
        for text in ["", "-1", "13 ", "0x0d", "256", "+13", "013", "00", "+", "1\n", "09", "010"] {
            assert!(text.parse::<PcrIndex>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_locality_may_reset_and_extend_the_pcrs_that_the_platform_says() {
        let all = (0..5).collect::<Vec<u8>>();
        // PCRs, the localities that reset them, those that extend them.
        let table: [(_, &[u8], &[u8]); 7] = [
            (0..16, &[], &all),
            (16..17, &[0, 1, 2, 3], &all),
            (17..19, &[4], &[2, 3, 4]),
            (19..20, &[4], &[2, 3]),
            (20..21, &[2, 4], &[1, 2, 3]),
            (21..23, &[2, 4], &[2]),
            (23..24, &[0, 1, 2, 3], &all),
        ];
        for (pcrs, reset, extend) in table {
            for pcr in pcrs.map(|number| Pcr::try_from(number).unwrap()) {
                let which = |may: fn(Pcr, u8) -> bool| all.iter().copied().filter(|&l| may(pcr, l)).collect::<Vec<_>>();
                assert_eq!((&*which(Pcr::is_reset_from), &*which(Pcr::is_extended_from)), (reset, extend), "{pcr}");
            }
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
