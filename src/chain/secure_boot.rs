//! Secure Boot: whether it is on, and what of a boot depends on it.

use super::efi_variable::{GLOBAL, Variable};
use super::event::VARIABLE;
use super::forecast::{Choice, Forecast, Part, Question};
use super::forecasts::Forecasts;
use crate::eventlog::Event;
use crate::eventlog::event::Content;
use crate::hash::bank::Bank;

/// The names of the answers to [`Question::SecureBoot`].
pub(super) const ON: &str = "Secure Boot is on";
pub(super) const OFF: &str = "Secure Boot is off";
/// The variable (UEFI 2.10, section 3.3).
pub(super) const NAME: &str = "SecureBoot";

/// The value of the variable in an event that measures it. `None` if it is another event, or if the digest does not prove it.
pub(super) fn of_event(event: &Event, banks: &[Bank]) -> Option<Vec<u8>> {
    let Content::Tcg { kind: VARIABLE, data } = &event.content else { return None };
    let variable = Variable::parse(data)?;
    let is_it = variable.name == NAME && variable.vendor == GLOBAL && event.is_digest_of(data, banks);
    is_it.then(|| variable.value.to_vec())
}

/// Whether a value of the variable says that it is on. Firmware without Secure Boot has no variable. `None` for another value.
pub(super) fn is_on(value: &[u8]) -> Option<bool> {
    match value {
        [1] => Some(true),
        [0] | [] => Some(false),
        _ => None,
    }
}

/// Answers the question in each PCR.
pub(super) fn decide(forecasts: &mut Forecasts, is_on: bool) {
    if let Some(either) = forecasts.either.take() {
        forecasts.pcrs.extend(either.of(is_on));
    }
    let name = if is_on { ON } else { OFF };
    for forecast in forecasts.pcrs.values_mut() {
        let Forecast::Follows { parts, .. } = forecast else { continue };
        *parts = std::mem::take(parts).into_iter().flat_map(|part| decided(part, name)).collect();
    }
}

fn decided(part: Part, name: &str) -> Vec<Part> {
    match part {
        Part::Choice(Choice { question: Question::SecureBoot, answers })
            if answers.iter().any(|answer| answer.name == name) =>
        {
            let answer = answers.into_iter().find(|answer| answer.name == name);
            answer.into_iter().flat_map(|answer| answer.events).map(Part::Event).collect()
        }
        part => vec![part],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::event::{Expected, IPL};
    use crate::chain::forecast::Answer;

    #[test]
    fn the_answer_replaces_the_question_in_each_pcr() {
        let event = |what: &str| Expected::of(IPL, what, None, &[what.as_bytes()], &[Bank::Sha256]);
        let choice = |question| {
            let answers = vec![Answer::new(OFF, vec![event("off")]), Answer::new(ON, vec![event("a"), event("b")])];
            Part::Choice(Choice { question, answers })
        };
        let parts = vec![Part::Event(event("x")), choice(Question::SecureBoot), choice(Question::Phase)];
        for (is_on, expected) in [(true, &["x", "a", "b"][..]), (false, &["x", "off"])] {
            let mut forecasts = Forecasts::of_firmware();
            for pcr in [9, 12] {
                forecasts.follows(pcr, parts.clone(), &[]);
            }
            decide(&mut forecasts, is_on);
            for pcr in [9, 12] {
                let Forecast::Follows { parts, .. } = &forecasts.pcrs[&pcr] else { panic!("{pcr}") };
                let whats: Vec<_> = parts
                    .iter()
                    .filter_map(|part| match part {
                        Part::Event(event) => Some(event.what.as_str()),
                        _ => None,
                    })
                    .collect();
                assert_eq!((&whats[..], parts.len()), (expected, expected.len() + 1));
            }
        }
    }

    #[test]
    fn only_one_and_zero_say_whether_it_is_on() {
        for (value, expected) in
            [(&[1][..], Some(true)), (&[0], Some(false)), (&[], Some(false)), (&[2], None), (&[1, 0], None)]
        {
            assert_eq!(is_on(value), expected, "{value:?}");
        }
    }
}
