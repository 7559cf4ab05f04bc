//! Joins what is expected of a boot without Secure Boot with what is expected with it.

use std::collections::BTreeMap;

use super::either::Either;
use super::forecast::{Answer, Choice, Forecast, Part, Question};
use super::forecasts::Forecasts;
use super::secure_boot::{OFF, ON};

/// The PCRs of what the firmware starts. The others are the firmware's own, or of the booted system.
const STARTED: [u8; 6] = [4, 8, 9, 11, 12, 14];

/// The forecasts of a boot of which these are expected without Secure Boot and with it.
pub(super) fn joined(off: Forecasts, on: Forecasts) -> Forecasts {
    let started = |forecasts: &Forecasts| -> BTreeMap<u8, Forecast> {
        let own = |pcr: u8| Some((pcr, forecasts.pcrs.get(&pcr)?.clone()));
        STARTED.into_iter().filter_map(own).collect()
    };
    let each = Either { off: started(&off), on: started(&on) };
    let mut both = off;
    for pcr in STARTED {
        if let (Some(off), Some(on)) = (each.off.get(&pcr), each.on.get(&pcr)) {
            both.pcrs.insert(pcr, joined_forecast(off, on));
        }
    }
    for (all, more) in [(&mut both.unmeasured, on.unmeasured), (&mut both.command_lines, on.command_lines)] {
        for text in more {
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    both.shim = both.shim.or(on.shim);
    both.either = Some(Box::new(each));
    both
}

/// A PCR that has one forecast or the other.
fn joined_forecast(off: &Forecast, on: &Forecast) -> Forecast {
    match (off, on) {
        (Forecast::Follows { parts: off, assumes }, Forecast::Follows { parts: on, assumes: more }) => {
            let mut assumes = assumes.clone();
            assumes.extend(more.iter().filter(|what| !assumes.contains(what)).cloned().collect::<Vec<_>>());
            match joined_parts(off, on) {
                Some(parts) => Forecast::Follows { parts, assumes },
                None => Forecast::Open {
                    why: "it depends on Secure Boot: give --efivars or --like, which tell whether it is on".to_owned(),
                },
            }
        }
        (Forecast::Follows { parts, assumes }, Forecast::Open { why }) => {
            let mut assumes = assumes.clone();
            assumes.push(format!("{OFF}. Otherwise: {why}"));
            Forecast::Follows { parts: parts.clone(), assumes }
        }
        (Forecast::Open { why }, Forecast::Follows { parts, assumes }) => {
            let mut assumes = assumes.clone();
            assumes.push(format!("{ON}. Otherwise: {why}"));
            Forecast::Follows { parts: parts.clone(), assumes }
        }
        (Forecast::Open { .. }, Forecast::Open { .. }) => off.clone(),
    }
}

/// The parts that both begin with, then the alternatives. `None` if there are alternatives in the rest already.
fn joined_parts(off: &[Part], on: &[Part]) -> Option<Vec<Part>> {
    let same = off.iter().zip(on).take_while(|(off, on)| off == on).count();
    let mut parts = off[..same].to_vec();
    if same < off.len() || same < on.len() {
        let events = |parts: &[Part]| {
            let event = |part: &Part| if let Part::Event(event) = part { Some(event.clone()) } else { None };
            parts.iter().map(event).collect::<Option<Vec<_>>>()
        };
        let answers = vec![Answer::new(OFF, events(&off[same..])?), Answer::new(ON, events(&on[same..])?)];
        parts.push(Part::Choice(Choice { question: Question::SecureBoot, answers }));
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::event::{Expected, IPL};
    use crate::chain::secure_boot::decide;
    use crate::hash::bank::Bank;

    fn of(texts: &[&str]) -> Forecasts {
        let event = |text: &&str| Part::Event(Expected::of(IPL, text, None, &[text.as_bytes()], &[Bank::Sha256]));
        let mut forecasts = Forecasts::of_firmware();
        forecasts.follows(4, texts.iter().map(event).collect(), &[]);
        forecasts
    }

    fn count(forecasts: &Forecasts) -> usize {
        forecasts.pcrs[&4].values(&[Bank::Sha256]).map_or(0, |values| values.len())
    }

    #[test]
    fn what_differs_is_an_alternative_until_secure_boot_is_decided() {
        for (off, on, values) in
            [(&["a"][..], &["a"][..], 1), (&["a"], &["a", "b"], 2), (&["a", "b"], &["c"], 2), (&[], &[], 1)]
        {
            let both = joined(of(off), of(on));
            assert_eq!(count(&both), values, "{off:?}, {on:?}");
            for (is_on, expected) in [(false, off), (true, on)] {
                let mut decided = both.clone();
                decide(&mut decided, is_on);
                assert_eq!(decided.pcrs[&4], of(expected).pcrs[&4]);
            }
        }
    }

    #[test]
    fn a_reason_of_one_state_is_an_assumption_until_it_is_decided() {
        let both = joined(of(&["a"]), Forecasts::of_unknown("GRUB starts nothing"));
        let Forecast::Follows { assumes, .. } = &both.pcrs[&4] else { panic!("{both:?}") };
        assert_eq!(assumes[..], ["Secure Boot is off. Otherwise: GRUB starts nothing"]);
        let mut on = both;
        decide(&mut on, true);
        assert_eq!(on.pcrs[&4], Forecast::Open { why: "GRUB starts nothing".into() });
        let both = joined(Forecasts::of_unknown("a"), Forecasts::of_unknown("b"));
        assert_eq!(both.pcrs[&9], Forecast::Open { why: "a".into() });
    }
}
