//! How the events of a PCR differ from the expected ones, in words.

use serde::Serialize;

use super::alignment::{Alignment, Step};
use super::chain::ExpectedEvent;
use super::command_line;
use super::held::Held;
use crate::error::one_line;
use crate::eventlog::event::Content;
use crate::eventlog::{Event, EventType};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;

/// Event types (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1).
const APPLICATION: EventType = EventType(0x8000_0003);
const DRIVERS: [EventType; 2] = [EventType(0x8000_0004), EventType(0x8000_0005)];
/// What firmware measures around a boot option (table "EV_EFI_ACTION Strings").
const CALLING: &[u8] = b"Calling EFI Application from Boot Option";
const RETURNING: &[u8] = b"Returning from EFI Application from Boot Option";
/// The most differences that are told of a PCR. Usually one causes all.
const MOST: usize = 16;

/// A difference. Its words and its digests are part of the output of `measureroot verify --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// What it is.
    pub(crate) kind: DifferenceKind,
    /// What is expected, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<String>,
    /// The file that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The expected digest.
    #[serde(skip_serializing_if = "Digests::is_empty")]
    pub(crate) expected: Digests,
    /// The measured one, which the quote proves.
    #[serde(skip_serializing_if = "Digests::is_empty")]
    pub(crate) booted: Digests,
    /// The difference in words. What they say of the event beside its digest is the log's claim.
    pub(crate) words: String,
}

/// The kinds of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DifferenceKind {
    /// Another event is in the place of the expected one.
    Differs,
    /// The expected event was not measured.
    Missing,
    /// An event was measured that is not expected.
    Unexpected,
    /// The value differs, and no event tells why.
    Value,
}

impl Difference {
    /// A difference of which only words are known.
    pub(in crate::evidence) fn of_value(words: String) -> Self {
        let (expected, booted) = (Digests::new(), Digests::new());
        Self { kind: DifferenceKind::Value, what: None, from: None, expected, booted, words }
    }
}

/// The differences of an alignment. `log` has all events of the boot: another PCR may have the text of a command line.
pub(super) fn differences(alignment: &Alignment<'_>, held: &Held<'_>, log: &[Event]) -> Vec<Difference> {
    let (steps, banks) = (&alignment.steps, &held.banks[..]);
    let mut found = Vec::new();
    let is_failed = |step: &&Step<'_>| matches!(step, Step::Extra(event) if event.is_digest_of(RETURNING, banks));
    // Each option that fails is one action more and one "calling" more.
    let failed = steps.iter().filter(is_failed).count();
    let more = alignment.answers.iter().any(|answer| answer.contains("failed before"));
    if failed > 0 {
        let number = if failed == 1 { "a boot option".to_owned() } else { format!("{failed} boot options") };
        let words = format!("{number} failed before{}", if more { ", beside those that are expected" } else { "" });
        found.push(Difference { kind: DifferenceKind::Unexpected, ..Difference::of_value(words) });
    }
    let mut calling = failed;
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Step::Same(_) => {}
            Step::Replaced(expected, event) => found.push(replaced(expected, event, banks, log)),
            Step::Missing(expected) => found.push(Difference {
                kind: DifferenceKind::Missing,
                what: Some(expected.what.clone()),
                from: expected.from.clone(),
                expected: in_banks(&expected.digests, banks),
                booted: Digests::new(),
                words: format!("{} was not measured", named(expected)),
            }),
            Step::Extra(event) if event.is_digest_of(RETURNING, banks) => {}
            Step::Extra(event) if calling > 0 && event.is_digest_of(CALLING, banks) => calling -= 1,
            Step::Extra(event) => found.push(Difference {
                kind: DifferenceKind::Unexpected,
                booted: booted(event, banks),
                ..Difference::of_value(unexpected(event, steps, at, banks))
            }),
        }
    }
    found.truncate(MOST);
    found
}

/// How many words of command lines differ: of two entries of a menu, the one is closer that has more of the words.
pub(super) fn words_apart(steps: &[Step<'_>], banks: &[Bank], log: &[Event]) -> usize {
    let apart = |step: &Step<'_>| match *step {
        Step::Replaced(expected, event) => {
            let text = command_line::expected(&expected.what)?;
            Some(command_line::distance(&text, &command_line::booted(event, banks, log)?.text))
        }
        _ => None,
    };
    steps.iter().filter_map(apart).sum()
}

fn replaced(expected: &ExpectedEvent, event: &Event, banks: &[Bank], log: &[Event]) -> Difference {
    let (wanted, found) = (in_banks(&expected.digests, banks), booted(event, banks));
    let text = command_line::expected(&expected.what).zip(command_line::booted(event, banks, log));
    let words = match text {
        Some((text, booted)) if text != booted.text => {
            let standing =
                if booted.is_proven { "" } else { ", as the log claims; the digest is not that of this text" };
            let from = expected.from.as_ref().map(|from| format!(" ({from})")).unwrap_or_default();
            format!("the command line{from} {}{standing}", command_line::words(&text, &booted.text))
        }
        _ => format!("{} differs: expected {}, booted {}", named(expected), shown(&wanted), shown(&found)),
    };
    Difference {
        kind: DifferenceKind::Differs,
        what: Some(expected.what.clone()),
        from: expected.from.clone(),
        expected: wanted,
        booted: found,
        words,
    }
}

/// How systemd calls what it measures into PCR 9 for each NV index that it uses as a PCR (systemd, docs/TPM2_PCR_MEASUREMENTS.md,
/// "NvPCR Initializations").
const NV_PCR: &str = "nvpcr-init:";

/// The words about an event that is not expected.
fn unexpected(event: &Event, steps: &[Step<'_>], at: usize, banks: &[Bank]) -> String {
    let (digest, claim) = (shown(&booted(event, banks)), event.describe_in(banks));
    let is_last = steps.iter().skip(at).all(|step| matches!(step, Step::Extra(_)));
    if is_last && claim.contains(NV_PCR) {
        return format!(
            "the system that runs extended it behind the agent: {digest}; the log claims: {claim}; that is systemd-tpm2-setup.service \
             or systemd-tpm2-setup-early.service: quote before it runs, or mask it in the image"
        );
    }
    let is = |kinds: &[EventType]| matches!(&event.content, Content::Tcg { kind, .. } if kinds.contains(kind));
    let kind = if is(&[APPLICATION]) {
        "an unknown EFI program"
    } else if is(&DRIVERS) {
        "an unknown EFI driver"
    } else {
        return format!("an event is not expected: {digest}; the log claims: {claim}");
    };
    let program = |step: &Step<'_>| match *step {
        Step::Same(event) | Step::Replaced(event, _) if event.kind == APPLICATION => Some(named(event)),
        _ => None,
    };
    let next = steps.iter().skip(at).find_map(program);
    let last = steps.iter().take(at).rev().find_map(program);
    let place = match (next, last) {
        (Some(next), _) => format!(" before {next}"),
        (None, Some(last)) => format!(" after {last}"),
        (None, None) => String::new(),
    };
    format!("{kind} was started{place}: {digest}; the log claims: {claim}")
}

/// The file, if the event comes from one, and what it is.
fn named(expected: &ExpectedEvent) -> String {
    match &expected.from {
        Some(from) => format!("{from} ({})", expected.what),
        None => expected.what.clone(),
    }
}

fn in_banks(digests: &Digests, banks: &[Bank]) -> Digests {
    digests.iter().filter(|(bank, _)| banks.contains(bank)).map(|(&bank, digest)| (bank, digest.clone())).collect()
}

fn booted(event: &Event, banks: &[Bank]) -> Digests {
    banks.iter().filter_map(|&bank| Some((bank, event.digest(bank)?.clone()))).collect()
}

/// One digest: others can make SHA-1 digests, so another bank is preferred.
fn shown(digests: &Digests) -> String {
    let best = digests.iter().find(|(bank, _)| **bank != Bank::Sha1).or_else(|| digests.iter().next());
    best.map(|(bank, digest)| one_line(&format_args!("{bank} {digest}"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::Pcr;

    const BANKS: [Bank; 1] = [Bank::Sha256];

    fn action(text: &[u8]) -> Event {
        let content = Content::Tcg { kind: EventType(0x8000_0007), data: text.to_vec() };
        Event { pcr: None, no_pcr: None, digests: digests_of(&BANKS, text), others: BTreeMap::new(), content }
    }

    #[test]
    fn each_boot_option_that_failed_explains_one_call_and_nothing_else() {
        let [returning, calling, other] = [action(RETURNING), action(CALLING), action(b"another action")];
        let steps = [&other, &returning, &calling, &calling].map(Step::Extra).to_vec();
        let held = Held {
            pcr: Pcr::try_from(4).unwrap(),
            banks: BANKS.to_vec(),
            values: Digests::new(),
            locality: 0,
            events: None,
        };
        let alignment = Alignment { cost: 0, steps, answers: Vec::new() };
        let found = differences(&alignment, &held, &[]);
        let told: Vec<_> = found.iter().map(|one| (one.kind, &one.booted)).collect();
        let nothing = Digests::new();
        let unexpected = |digests| (DifferenceKind::Unexpected, digests);
        assert_eq!(told, [unexpected(&nothing), unexpected(&other.digests), unexpected(&calling.digests)]);
        assert_eq!(found[0].words, "a boot option failed before");
    }
}
