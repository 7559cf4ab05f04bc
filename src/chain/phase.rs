//! The phases of the boot, which systemd extends PCR 11 with when it reaches them (systemd-pcrphase.service(8)). It does so only
//! in a system that a stub of systemd started. The agent has no systemd, so the phases of an initramfs with systemd
//! (`enter-initrd`, `leave-initrd`) are not among them.

use super::event::{Expected, IPL};
use super::forecast::{Answer, Choice, Part, Question};
use crate::hash::bank::Bank;

/// The phases of the booted system, in their order.
const PHASES: [&str; 4] = ["sysinit", "ready", "shutdown", "final"];

/// How far the boot is.
pub(super) fn phases(banks: &[Bank]) -> Part {
    let event = |phase: &str| Expected::of(IPL, &format!("the phase {phase}"), None, &[phase.as_bytes()], banks);
    let reached = |count: usize| PHASES.iter().take(count).map(|phase| event(phase)).collect();
    let mut answers = vec![Answer::new("systemd has reached no phase", Vec::new())];
    answers.extend((1..=PHASES.len()).map(|count| {
        let last = PHASES.get(count - 1).copied().unwrap_or_default();
        Answer::new(format!("systemd has reached {last}"), reached(count))
    }));
    Part::Choice(Choice { question: Question::Phase, answers })
}
