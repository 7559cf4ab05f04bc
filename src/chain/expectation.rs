//! What a prediction says, as an entry of the list of trusted images has it.

use std::collections::BTreeMap;

use super::event::Expected;
use super::forecast::{Answer, Choice, Forecast, Part};
use super::forecasts::Forecasts;
use crate::error::Result;
use crate::evidence::expected::chain::{ExpectedAnswer, ExpectedBoot, ExpectedChoice, ExpectedEvent, ExpectedPart};
use crate::measure::pcr::Pcr;

/// One boot under its name, with the PCRs that follow. `None` if neither what runs (PCR 4) nor what it gets (PCR 9) follows, and no
/// launch has both (PCR 17): such an alternative would be as expected whatever started the agent.
///
/// # Errors
/// If a PCR is none of a TPM.
pub(crate) fn boot(name: &str, forecasts: &Forecasts) -> Result<Option<ExpectedBoot>> {
    let mut pcrs = BTreeMap::new();
    for (&number, forecast) in &forecasts.pcrs {
        if let Forecast::Follows { parts, .. } = forecast {
            pcrs.insert(Pcr::try_from(u32::from(number))?, parts.iter().map(part).collect());
        }
    }
    let vouches =
        [4, 9, 17].into_iter().any(|number| matches!(forecasts.pcrs.get(&number), Some(Forecast::Follows { .. })));
    let boot = || ExpectedBoot { name: name.to_owned(), unmeasured: forecasts.unmeasured.clone(), pcrs };
    Ok(vouches.then(boot))
}

/// Why neither what runs nor what it gets follows: nothing would vouch for this boot.
pub(crate) fn left_out(forecasts: &Forecasts) -> String {
    let why = |pcr| match forecasts.pcrs.get(&pcr) {
        Some(Forecast::Open { why }) => why.as_str(),
        _ => "nothing is known of it",
    };
    match (why(4), why(9)) {
        (one, other) if one == other => format!("PCR 4 and 9 do not follow: {one}"),
        (four, nine) => format!("PCR 4 does not follow: {four}; nor PCR 9: {nine}"),
    }
}

fn part(part: &Part) -> ExpectedPart {
    let answer = |Answer { name, events }: &Answer| ExpectedAnswer {
        name: name.clone(),
        events: events.iter().map(event).collect(),
    };
    match part {
        Part::Locality(locality) => ExpectedPart::Locality(*locality),
        Part::Event(one) => ExpectedPart::Event(event(one)),
        Part::Choice(Choice { question, answers }) => ExpectedPart::Choice(ExpectedChoice {
            question: question.to_string(),
            answers: answers.iter().map(answer).collect(),
        }),
    }
}

fn event(Expected { kind, what, from, digests, .. }: &Expected) -> ExpectedEvent {
    ExpectedEvent { kind: *kind, what: what.clone(), from: from.clone(), digests: digests.clone() }
}
