//! A part of the cells, for boots that take seconds each.

use std::collections::BTreeSet;

use super::cell::Cell;

/// This many cells. Each has as many values and pairs of values that no earlier one has as possible: after some cells every value has
/// occurred, and after more of them every pair.
pub(crate) fn sample(cells: &[Cell], count: usize) -> Vec<Cell> {
    let (mut seen, mut chosen) = (BTreeSet::new(), Vec::new());
    while chosen.len() < count {
        let best = cells.iter().filter(|cell| !chosen.contains(*cell)).max_by_key(|cell| {
            let values = features(cell).into_iter().filter(|feature| !seen.contains(feature));
            // A value counts more than all pairs together.
            values.map(|[_, second]| if second.is_none() { 100 } else { 1 }).sum::<u32>()
        });
        let Some(best) = best else { break };
        seen.extend(features(best));
        chosen.push(*best);
    }
    chosen
}

/// The values of a cell, and the pairs of them. A value is its axis and its place there.
fn features(cell: &Cell) -> Vec<[Option<(usize, usize)>; 2]> {
    let Cell { session, command, fault, lasts, has_run, seal, .. } = *cell;
    let places =
        [session as usize, command as usize, fault as usize, lasts as usize, usize::from(has_run), seal as usize];
    let values: Vec<_> = places.into_iter().enumerate().map(Some).collect();
    let pairs = (0..values.len()).flat_map(|first| (0..first).map(move |second| (first, second)));
    let pairs = pairs.map(|(first, second)| [values[first], values[second]]);
    values.iter().map(|value| [*value, None]).chain(pairs).collect()
}
