//! Describes for a person how a PCR differs from a log.

use super::compare::{Difference, Divergence};
use super::event::Event;
use super::log::Log;

/// The PCR that Linux's integrity measurement extends (kernel, `CONFIG_IMA_MEASURE_PCR_IDX`).
const IMA: u8 = 10;

impl Difference {
    /// Describes the difference, and the event after which the TPM and the log diverge.
    pub(crate) fn describe(&self, log: &Log) -> String {
        self.describe_as(&format!("PCR {}, {}", self.pcr, self.bank), log)
    }

    /// The same, with another name of the register.
    pub(crate) fn describe_as(&self, register: &str, log: &Log) -> String {
        let event = |index: usize| {
            let description = log.events().get(index).map(Event::describe).unwrap_or_default();
            format!("event {} ({description})", index + 1)
        };
        let divergence = match self.divergence {
            Divergence::NoEvent if self.pcr.get() == IMA => {
                "no event extends it: Linux's IMA has its own log".to_owned()
            }
            Divergence::NoEvent => {
                "no event extends it: give the log that has its events, or leave this PCR out".to_owned()
            }
            Divergence::NoDigest(index) => format!("{} has no digest for this bank", event(index)),
            Divergence::AtStart => "the PCR has its start value: none of its events happened".to_owned(),
            Divergence::After(index) => format!("they diverge after {}: the later events did not happen", event(index)),
            Divergence::Nowhere => {
                "none of its events leads to this value: one was changed, left out or added, be it behind the last one"
                    .to_owned()
            }
        };
        // The values may be older than the log: what it says against the boot must not be lost.
        let from = match self.divergence {
            Divergence::After(index) => index + 1,
            _ => 0,
        };
        let mark = match self.divergence {
            Divergence::AtStart | Divergence::After(_) => {
                log.mark(|place, event| place >= from && event.extends() == Some(self.pcr))
            }
            _ => None,
        };
        let mark = mark.map(|mark| format!("; but {mark}")).unwrap_or_default();
        let expected =
            self.replayed.as_ref().map(|value| format!(", but the logs lead to {value}")).unwrap_or_default();
        format!("{register}: it is {}{expected}; {divergence}{mark}", self.held)
    }
}
