//! The registers of a confidential virtual machine that a running program can extend: the RTMRs of Intel TDX.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::hash::bank::Bank;
use crate::hash::digest::Digest;

/// An RTMR that the root image may be measured into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RtmrIndex(u8);

impl RtmrIndex {
    /// 2: firmware, boot loaders and the kernel's EFI stub extend it with what they would measure into PCR 8 to 15, and the
    /// default PCR is 13 (UEFI 2.10, section 38.4.1, the table of Intel TDX; edk2, OvmfPkg/IntelTdx/TdTcg2Dxe/TdTcg2Dxe.c,
    /// `MapPcrToMrIndex`).
    pub const DEFAULT: Self = Self(2);
    /// A TDX guest has RTMR 0 to 3 (Intel TDX Module Base Architecture Specification).
    #[cfg(any(test, feature = "evidence"))]
    pub(crate) const COUNT: u8 = 4;
    /// 3, which that mapping does not use.
    pub(crate) const THREE: Self = Self(3);
    /// The only bank of an RTMR (Intel TDX Module ABI Specification, `TDG.MR.RTMR.EXTEND`).
    pub const BANK: Bank = Bank::Sha384;

    /// The number, 2 or 3.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// The number of the register in a log: 0 is MRTD, and RTMR n is n + 1 (UEFI 2.10, section 38.4.1).
    #[must_use]
    pub fn measurement_index(self) -> u32 {
        u32::from(self.0) + 1
    }
}

impl Display for RtmrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One extend of an RTMR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RtmrExtension {
    /// The register.
    pub rtmr: RtmrIndex,
    /// The SHA-384 digest that it was extended with.
    pub digest: Digest,
    /// The value before.
    pub before: Digest,
    /// The value after, as read back: H(before || digest), as in a PCR.
    pub after: Digest,
}
