//! Puts the events of a PCR beside the expected ones, with as few differences as possible: the edit distance of two lists.

use super::chain::{ExpectedEvent, ExpectedPart};
use crate::eventlog::Event;
use crate::eventlog::event::Content;
use crate::hash::bank::Bank;

/// How many pairs of events are compared at most for one combination of answers: 1000 events beside 1000 others. Firmware's logs have some
/// hundred events in all.
const MOST_PAIRS: usize = 1 << 20;
/// How many combinations of answers are compared at most. Only words follow from this, no verdict.
const MOST_COMBINATIONS: usize = 64;

/// What a difference costs. An event in the place of another of the same type costs as much as one that is too much: else an answer
/// without the event would look closer. Of two answers that cost the same, the first one counts, which is the usual one. Events of two
/// types do not replace each other: that costs more than one that is missing and one that is too much.
const ALONE: u32 = 3;
const REPLACED: u32 = 3;
const OF_ANOTHER_TYPE: u32 = 7;
/// Another command line is likelier than none and an event that is not expected.
const COMMAND_LINE: u32 = 2;

/// A step through both lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step<'a> {
    /// The event is as expected.
    Same(&'a ExpectedEvent),
    /// Another event is in its place.
    Replaced(&'a ExpectedEvent, &'a Event),
    /// It is missing.
    Missing(&'a ExpectedEvent),
    /// No event is expected here.
    Extra(&'a Event),
}

/// The steps, and what they cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alignment<'a> {
    pub(super) cost: u32,
    pub(super) steps: Vec<Step<'a>>,
    /// The names of the answers.
    pub(super) answers: Vec<&'a str>,
}

/// The cheapest alignment. Questions in `answered` have that answer; the others have the one that costs least. `None` if the lists are
/// too long.
pub(super) fn align<'a>(
    parts: &'a [ExpectedPart],
    answered: &[(&str, &str)],
    booted: &[&'a Event],
    banks: &[Bank],
) -> Option<Alignment<'a>> {
    let aligned = combinations(parts, answered).into_iter().filter_map(|(events, answers)| {
        let (cost, steps) = steps(&events, booted, banks)?;
        Some(Alignment { cost, steps, answers })
    });
    aligned.min_by_key(|alignment| alignment.cost)
}

/// The events of a combination, and the names of its answers.
type Combination<'a> = (Vec<&'a ExpectedEvent>, Vec<&'a str>);

fn combinations<'a>(parts: &'a [ExpectedPart], answered: &[(&str, &str)]) -> Vec<Combination<'a>> {
    let mut all: Vec<Combination<'a>> = vec![(Vec::new(), Vec::new())];
    for part in parts {
        match part {
            ExpectedPart::Locality(_) => {}
            ExpectedPart::Event(event) => all.iter_mut().for_each(|(events, _)| events.push(event)),
            ExpectedPart::Choice(choice) => {
                let known =
                    answered.iter().find(|(question, _)| *question == choice.question).map(|(_, answer)| *answer);
                let is_open = |name: &str| known.is_none_or(|known| known == name);
                let answers = || choice.answers.iter().filter(|answer| is_open(&answer.name));
                let with = |(events, names): &Combination<'a>| {
                    let (events, names) = (events.clone(), names.clone());
                    answers().map(move |answer| {
                        let events = events.iter().copied().chain(&answer.events).collect();
                        (events, names.iter().copied().chain([answer.name.as_str()]).collect())
                    })
                };
                all = all.iter().flat_map(with).take(MOST_COMBINATIONS).collect();
            }
        }
    }
    all
}

fn steps<'a>(expected: &[&'a ExpectedEvent], booted: &[&'a Event], banks: &[Bank]) -> Option<(u32, Vec<Step<'a>>)> {
    let width = booted.len() + 1;
    (expected.len() + 1).checked_mul(width).filter(|pairs| *pairs <= MOST_PAIRS)?;
    let replaced = |expected: &ExpectedEvent, booted: &Event| match is_same(expected, booted, banks) {
        true => 0,
        false if !is_same_type(expected, booted) => OF_ANOTHER_TYPE,
        false if expected.what.starts_with("the command line") => COMMAND_LINE,
        false => REPLACED,
    };
    // The costs of aligning the first events of both, by their numbers.
    let mut costs: Vec<u32> = vec![0; (expected.len() + 1) * width];
    let cost =
        |costs: &[u32], row: usize, column: usize| costs.get(row * width + column).copied().unwrap_or(u32::MAX / 2);
    for row in 0..=expected.len() {
        for column in 0..width {
            let above = row.checked_sub(1).and_then(|row| Some((row, expected.get(row)?)));
            let before = column.checked_sub(1).and_then(|column| Some((column, booted.get(column)?)));
            let missing = above.map(|(above, _)| cost(&costs, above, column) + ALONE);
            let extra = before.map(|(before, _)| cost(&costs, row, before) + ALONE);
            let both =
                above.zip(before).map(|((row, one), (column, other))| cost(&costs, row, column) + replaced(one, other));
            let least = [missing, extra, both].into_iter().flatten().min().unwrap_or(0);
            if let Some(place) = costs.get_mut(row * width + column) {
                *place = least;
            }
        }
    }
    // From the end back: which step led here?
    let (mut row, mut column, mut steps) = (expected.len(), booted.len(), Vec::new());
    while row > 0 || column > 0 {
        let here = cost(&costs, row, column);
        let (one, other) = (expected.get(row.wrapping_sub(1)), booted.get(column.wrapping_sub(1)));
        match (one, other) {
            (Some(one), Some(other)) if here == cost(&costs, row - 1, column - 1) + replaced(one, other) => {
                steps.push(if is_same(one, other, banks) { Step::Same(one) } else { Step::Replaced(one, other) });
                (row, column) = (row - 1, column - 1);
            }
            (_, Some(other)) if here == cost(&costs, row, column - 1) + ALONE => {
                steps.push(Step::Extra(other));
                column -= 1;
            }
            (Some(one), _) => {
                steps.push(Step::Missing(one));
                row -= 1;
            }
            _ => return None,
        }
    }
    steps.reverse();
    Some((cost(&costs, expected.len(), booted.len()), steps))
}

fn is_same(expected: &ExpectedEvent, booted: &Event, banks: &[Bank]) -> bool {
    banks.iter().all(|&bank| booted.digest(bank).is_some_and(|digest| expected.digests.get(&bank) == Some(digest)))
}

/// Whether the log says that the event has this type. A log in JSON has no types.
fn is_same_type(expected: &ExpectedEvent, booted: &Event) -> bool {
    match &booted.content {
        Content::Tcg { kind, .. } => *kind == expected.kind,
        Content::Json { .. } => true,
    }
}
