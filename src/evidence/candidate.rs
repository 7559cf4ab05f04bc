//! An alternative of an entry that a boot may be, and the PCRs that matter for it.

use super::expected::chain::ExpectedBoot;
use super::expected::held::Held;
use super::trusted_image::TrustedImage;
use crate::measure::pcr::Pcr;

/// The PCRs that say what started the agent, whatever starts it: the firmware (0), drivers (2), the programs (4), GRUB's commands (8),
/// command lines and the initrd with the agent (9), command lines from outside (12). The firmware's also tell that it measures into this
/// bank at all: into another one, the running system could extend what it wants. TCG PC Client Platform Firmware Profile 1.06, section
/// 3.3.4; the UAPI Group's registry of PCRs.
const OF_THE_AGENT: [u32; 6] = [0, 2, 4, 8, 9, 12];

/// An alternative, and what was quoted of its PCRs.
pub(super) struct Candidate<'a> {
    pub(super) image: &'a TrustedImage,
    pub(super) boot: &'a ExpectedBoot,
    pub(super) held: Vec<Held<'a>>,
}

/// Whether a PCR says what started the agent.
pub(super) fn is_of_the_agent(pcr: Pcr) -> bool {
    OF_THE_AGENT.contains(&pcr.get().into())
}

/// Whether an alternative expects events of a PCR.
pub(super) fn has_events(boot: &ExpectedBoot, pcr: Pcr) -> bool {
    boot.pcrs.get(&pcr).is_some_and(|parts| parts.iter().any(|part| part.events().next().is_some()))
}

/// Whether an alternative expects something of a PCR, without which the chain is not known.
pub(super) fn is_expected(boot: &ExpectedBoot, pcr: Pcr) -> bool {
    has_events(boot, pcr) || (is_of_the_agent(pcr) && boot.pcrs.contains_key(&pcr))
}
