//! The banks in which what started the agent is as expected. It must be one bank for all PCRs: into a bank that the firmware does not
//! measure into, the running system extends the PCRs as it wants, and would have each PCR quoted in the bank that suits it.

use std::collections::BTreeSet;

use super::pcr_result::{PcrOutcome, PcrResult};
use super::unchecked::{Unchecked, is_of_the_firmware};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::MAX_LOCALITY;

/// Adds what the banks leave unchecked. `needed` are the PCRs that must be vouched for; `firmware` gives the value of PCR 0.
pub(super) fn check(needed: &[&PcrResult], firmware: impl Fn(Bank) -> Option<Digest>, unchecked: &mut Unchecked) {
    let common = |of_firmware: bool| -> Option<BTreeSet<Bank>> {
        let vouched = needed.iter().filter(|one| one.result == PcrOutcome::AsExpected);
        let vouched = vouched.filter(|one| of_firmware || !is_of_the_firmware(one.pcr));
        let banks = vouched.map(|one| one.banks.iter().copied().collect::<BTreeSet<_>>());
        banks.reduce(|one, other| one.intersection(&other).copied().collect())
    };
    if common(false).is_some_and(|banks| banks.is_empty()) {
        return unchecked.push("the PCRs are as expected in different banks: no bank has all of them".to_owned());
    }
    let Some(all) = common(true) else { return };
    let is_measured = |&bank: &Bank| firmware(bank).is_some_and(|value| !is_start(&value));
    if all.is_empty() {
        unchecked
            .push_firmware("PCR 0 and 2 (the firmware) are as expected in another bank than the other PCRs".to_owned());
    } else if !all.iter().any(is_measured) {
        let names: Vec<_> = all.iter().map(|bank| bank.name()).collect();
        unchecked.push_firmware(format!(
            "PCR 0 has no event in {}: the firmware does not measure into it, so the running system could extend what it wants",
            names.join(", ")
        ));
    }
}

/// Whether a PCR was never extended.
fn is_start(value: &Digest) -> bool {
    value
        .as_bytes()
        .split_last()
        .is_some_and(|(last, rest)| *last <= MAX_LOCALITY && rest.iter().all(|&byte| byte == 0))
}
