//! What of the chain that started the agent was not checked.

use crate::measure::pcr::Pcr;

/// The PCRs of the firmware and of its drivers. The files of a disk do not tell what is in them. TCG PC Client Platform Firmware Profile
/// 1.06, section 3.3.4.
const OF_THE_FIRMWARE: [u32; 2] = [0, 2];

/// What was not checked. Empty if what started the agent is as expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unchecked {
    /// What of the firmware was not checked, in words.
    firmware: Option<String>,
    /// Everything else, in words.
    others: Vec<String>,
}

impl Unchecked {
    /// Nothing vouches for these PCRs.
    pub(super) fn of_pcrs(pcrs: Vec<Pcr>) -> Self {
        let (firmware, open): (Vec<_>, Vec<_>) = pcrs.into_iter().partition(|&pcr| is_of_the_firmware(pcr));
        let others = if open.is_empty() { Vec::new() } else { vec![no_voucher(&open)] };
        let firmware = (!firmware.is_empty()).then(|| no_voucher(&firmware) + " (the firmware)");
        Self { firmware, others }
    }

    /// The firmware was not checked either.
    pub(super) fn push_firmware(&mut self, what: String) {
        self.firmware.get_or_insert(what);
    }

    /// Something else was not checked either.
    pub(super) fn push(&mut self, what: String) {
        self.others.push(what);
    }

    /// Whether all was checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.firmware.is_none() && self.others.is_empty()
    }

    /// Whether all was checked but the firmware.
    pub(super) fn is_firmware_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// What was not checked, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        self.firmware.iter().cloned().chain(self.others.iter().cloned()).collect()
    }
}

/// Whether the firmware alone extends a PCR.
pub(super) fn is_of_the_firmware(pcr: Pcr) -> bool {
    OF_THE_FIRMWARE.contains(&pcr.get().into())
}

fn no_voucher(pcrs: &[Pcr]) -> String {
    let pcrs: Vec<_> = pcrs.iter().map(ToString::to_string).collect();
    format!("nothing vouches for PCR {}", pcrs.join(", "))
}
