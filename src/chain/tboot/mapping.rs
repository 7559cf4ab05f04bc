//! Which PCR has what: two ways (MLE guide, "PCR Usage"; tboot's `docs/howto_use.md`).

/// The mapping of measurements to PCRs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// Details and authorities: the only one with a TPM 2.0 (`init_txt_heap`).
    Details,
    /// The older one, of machines with a TPM 1.2, which has SHA-1 alone.
    Legacy,
}

impl Mapping {
    /// The PCR of the first module, which is the kernel. No policy says so (`verify_module`).
    pub(super) fn kernel(self) -> u8 {
        match self {
            Self::Details => 17,
            Self::Legacy => 18,
        }
    }

    /// The PCR of all other modules in tboot's own policy (`_def_policy_da`, `_def_policy_12`).
    pub(super) fn others(self) -> u8 {
        match self {
            Self::Details => 17,
            Self::Legacy => 19,
        }
    }

    /// The PCRs that have the policy (`verify_g_policy`).
    pub(super) fn policy(self) -> &'static [u8] {
        match self {
            Self::Details => &[17, 18],
            Self::Legacy => &[17],
        }
    }
}
