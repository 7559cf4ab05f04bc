//! Which alternative of which entry a boot is compared with: the one that fits best. Two entries may be about one image, such as one for
//! each slot of a disk or each release of a boot loader, and a machine boots one of them: so one whose whole chain is as expected counts,
//! whatever the others say. If none is, the nearest one tells how the boot differs. The order of the list plays no part.

use std::cmp::Reverse;

use super::candidate::{Candidate, is_of_the_agent};
use super::expected::chain::ExpectedBoot;
use super::expected::comparison::Comparison;
use super::pcr_result::{PcrOutcome, PcrResult};
use super::unchecked::Unchecked;
use crate::eventlog::Event;
use crate::measure::pcr::Pcr;

/// How many alternatives that are equally near are compared by their events, which takes long. Only words follow from this, no verdict.
const MOST_CLOSE: usize = 16;

/// How near an alternative is. The least is the nearest: the first field that differs decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance {
    gap: Gap,
    /// How many PCRs that matter are not as expected.
    open: usize,
    /// How many PCRs differ.
    differing: usize,
    /// How many PCRs are as expected.
    as_expected: Reverse<usize>,
    /// How much runs unmeasured. Of two that cannot be told apart by their PCRs, the one with more counts: it may have been that one.
    unmeasured: Reverse<usize>,
}

/// What of the PCRs lacks for the verdict *trusted*: that is why it comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    /// Nothing.
    None,
    /// Nothing but the firmware (--any-firmware).
    Firmware,
    /// More.
    More,
}

impl Distance {
    /// That of an alternative with these results.
    pub(super) fn of(boot: &ExpectedBoot, pcrs: &[PcrResult], unchecked: &Unchecked, missing: &[Pcr]) -> Self {
        let gap = match (missing, unchecked) {
            ([], unchecked) if unchecked.is_empty() => Gap::None,
            ([], unchecked) if unchecked.is_firmware_alone() => Gap::Firmware,
            _ => Gap::More,
        };
        let count = |is: &dyn Fn(&PcrResult) -> bool| pcrs.iter().filter(|one| is(one)).count();
        let differing = count(&|one| one.result == PcrOutcome::Different);
        let as_expected = count(&|one| one.result == PcrOutcome::AsExpected);
        let is_known = |pcr: Pcr| pcrs.iter().any(|one| one.pcr == pcr && one.result == PcrOutcome::AsExpected);
        let needed = Pcr::all().filter(|&pcr| is_of_the_agent(pcr) || boot.pcrs.contains_key(&pcr));
        let open = needed.filter(|&pcr| !is_known(pcr)).count();
        let unmeasured = Reverse(boot.unmeasured.len());
        Self { gap, open, differing, as_expected: Reverse(as_expected), unmeasured }
    }
}

/// An alternative with its comparison.
pub(super) type Compared<'a, 'b> = (&'b Candidate<'a>, Comparison<'b>);

/// How many names of alternatives are said. The others are counted.
const MOST_NAMED: usize = 8;

/// The nearest alternative.
pub(super) struct Closest<'a, 'b> {
    /// It.
    pub(super) one: Compared<'a, 'b>,
    /// The others of its entry that the quote does not tell from it: it may have been any of them.
    equal: Vec<Compared<'a, 'b>>,
}

impl Closest<'_, '_> {
    /// The names of all that it may have been.
    pub(super) fn name(&self) -> String {
        either(self.all().map(|(one, _)| one.boot.name.clone()))
    }

    /// Names in a result the files of all that it may have been: two slots with one image are the same to a PCR.
    pub(super) fn name_files_of_all(&self, result: &mut PcrResult) {
        if self.equal.is_empty() || result.result != PcrOutcome::AsExpected || result.files.is_empty() {
            return;
        }
        let fitting = self
            .all()
            .filter(|(one, comparison)| one.boot.pcrs.contains_key(&result.pcr) && comparison.fits(result.pcr));
        let files: Vec<_> = fitting.map(|(_, comparison)| comparison.files_of(result.pcr)).collect();
        for (at, file) in result.files.iter_mut().enumerate() {
            *file = either([file.clone()].into_iter().chain(files.iter().filter_map(|files| files.get(at).cloned())));
        }
    }

    fn all(&self) -> impl Iterator<Item = &Compared<'_, '_>> {
        [&self.one].into_iter().chain(&self.equal)
    }
}

/// These names, each once.
fn either(names: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let more = all.len().saturating_sub(MOST_NAMED);
    all.truncate(MOST_NAMED);
    if more > 0 {
        all.push(format!("{more} more"));
    }
    all.join(" or ")
}

/// The nearest alternative. `log` has all events of the boot.
pub(super) fn closest<'a, 'b>(
    all: Vec<Compared<'a, 'b>>,
    distance: impl Fn(&Compared<'a, 'b>) -> Distance,
    log: &[Event],
) -> Option<Closest<'a, 'b>> {
    let mut all: Vec<_> = all.into_iter().map(|one| (distance(&one), one)).collect();
    let least = all.iter().map(|(distance, _)| *distance).min()?;
    all.retain(|(distance, _)| *distance == least);
    all.sort_by_key(|(_, (one, _))| (one.image.name.clone(), one.boot.name.clone()));
    let mut all = all.into_iter().map(|(_, one)| one);
    // All that is known of the boot is as each of them expects it.
    if least.differing == 0 {
        let one = all.next()?;
        let equal = all.filter(|other| other.0.image.name == one.0.image.name).collect();
        return Some(Closest { one, equal });
    }
    // The first of several that cost the same.
    let one = all.take(MOST_CLOSE).min_by_key(|(_, comparison)| comparison.cost(log))?;
    Some(Closest { one, equal: Vec::new() })
}
