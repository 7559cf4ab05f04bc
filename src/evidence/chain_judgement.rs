//! Judges every PCR of a proof: whether the chain that started the agent is as an entry of the list expects it.

use std::collections::BTreeSet;

use super::candidate::{Candidate, has_events, is_expected, is_of_the_agent};
use super::closest::{Closest, Compared, Distance, closest};
use super::expected::chain::ExpectedBoot;
use super::expected::comparison::Comparison;
use super::expected::difference::Difference;
use super::other_banks::OtherBanks;
use super::pcr_result::{PcrOutcome, PcrResult, Voucher};
use super::proof::Proof;
use super::trusted_image::TrustedImage;
use super::unchecked::Unchecked;
use super::vouched_banks;
use crate::count::counted;
use crate::eventlog::PcrValues;
use crate::hash::bank::Bank;
use crate::measure::pcr::Pcr;

/// How many reasons the verdict names. The report has all.
const MOST_REASONS: usize = 4;

/// The judgement of all PCRs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainJudgement {
    /// The entry of the list whose chain was compared, and its alternative: the one that fits, else the closest.
    pub(crate) compared: Option<ComparedWith>,
    /// The result for each PCR that is quoted or expected.
    pub(crate) pcrs: Vec<PcrResult>,
    /// What of the chain was not checked.
    pub(crate) unchecked: Unchecked,
    /// The PCRs that are not quoted in a bank that the entry has and that counts, although it says what must be in them.
    missing: Vec<Pcr>,
}

/// An alternative of an entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ComparedWith {
    /// The entry's name.
    pub(crate) entry: String,
    /// The name of the alternative: a file that firmware starts, or an entry of a boot menu. All names, if the quote does not tell which of
    /// several it was.
    pub(crate) boot: String,
}

/// What the results are about: the images of the list whose boot this is, all of them, and the values of the user.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    booted: &'a [&'a TrustedImage],
    trusted: &'a [TrustedImage],
    expected: &'a PcrValues,
}

impl ChainJudgement {
    /// Why the machine is not trusted: a PCR of the entry differs, or it is not quoted although the entry says what must be in it. Else a
    /// machine would leave out of its quote what is against it.
    pub(super) fn against(&self, name: &str) -> Option<String> {
        self.compared.as_ref()?;
        let mut reasons: Vec<(String, String)> = Vec::new();
        for result in self.pcrs.iter().filter(|result| result.result == PcrOutcome::Different) {
            let (pcr, words) = (result.pcr.to_string(), result.difference());
            match reasons.iter_mut().find(|(_, known)| *known == words) {
                Some((pcrs, _)) => *pcrs = format!("{pcrs}, {pcr}"),
                None => reasons.push((pcr, words)),
            }
        }
        let more = reasons.len().saturating_sub(MOST_REASONS);
        let mut words: Vec<_> = reasons.into_iter().map(|(pcrs, words)| format!("PCR {pcrs}: {words}")).collect();
        words.truncate(MOST_REASONS);
        if more > 0 {
            words.push(counted(more, "more difference"));
        }
        let reason = || format!("{name} was booted, but what started it is not as expected: {}", words.join("; "));
        if !words.is_empty() {
            return Some(reason());
        }
        let reason =
            |missing| format!("{name} was booted, but the entry says what must have started it, and {missing}");
        self.missing_words().map(reason)
    }

    /// Which PCRs are missing, and why. `None` if none is.
    fn missing_words(&self) -> Option<String> {
        let mut reasons: Vec<(Option<&OtherBanks>, Vec<String>)> = Vec::new();
        for result in self.pcrs.iter().filter(|result| self.missing.contains(&result.pcr)) {
            let banks = result.other_banks.as_ref();
            match reasons.iter_mut().find(|(known, _)| *known == banks) {
                Some((_, pcrs)) => pcrs.push(result.pcr.to_string()),
                None => reasons.push((banks, vec![result.pcr.to_string()])),
            }
        }
        let words = |(banks, pcrs): (Option<&OtherBanks>, Vec<String>)| match banks {
            None => format!("PCR {} is not quoted", pcrs.join(", ")),
            Some(banks) => format!("PCR {} cannot be compared: {}", pcrs.join(", "), banks.advice()),
        };
        let words: Vec<_> = reasons.into_iter().map(words).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

impl Proof {
    /// Judges all PCRs. `booted` are the trusted images of whose boot this is; if there are none, the closest chain of `trusted` tells how
    /// the boot differs.
    pub(super) fn judge_chain(
        &self,
        booted: &[&TrustedImage],
        trusted: &[TrustedImage],
        expected: &PcrValues,
    ) -> ChainJudgement {
        let candidates: Vec<_> = match booted {
            [] => trusted
                .iter()
                .filter(|image| self.pcr == image.pcr.into())
                .flat_map(|image| self.candidates(image))
                .collect(),
            booted => booted.iter().flat_map(|image| self.candidates(image)).collect(),
        };
        let compared = candidates.iter().map(|one| (one, Comparison::of(one.boot, &one.held))).collect();
        let known = Known { booted, trusted, expected };
        let distance = |one: &Compared<'_, '_>| {
            let boot = one.0.boot;
            let pcrs = self.results(Some(one), known, false);
            Distance::of(boot, &pcrs, &self.unchecked(Some(boot), &pcrs, booted), &missing(Some(boot), &pcrs))
        };
        let closest = closest(compared, distance, self.log.events());
        let boot = closest.as_ref().map(|found| found.one.0.boot);
        let mut pcrs = self.results(closest.as_ref().map(|found| &found.one), known, true);
        if let Some(found) = &closest {
            for result in &mut pcrs {
                found.name_files_of_all(result);
            }
        }
        let mut unchecked = self.unchecked(boot, &pcrs, booted);
        for what in boot.into_iter().flat_map(|boot| &boot.unmeasured) {
            unchecked.push(format!("not measured: {what}"));
        }
        let missing = missing(boot, &pcrs);
        let compared =
            |found: Closest<'_, '_>| ComparedWith { entry: found.one.0.image.name.clone(), boot: found.name() };
        let compared = closest.map(compared);
        ChainJudgement { compared, pcrs, unchecked, missing }
    }

    fn candidates<'a>(&'a self, image: &'a TrustedImage) -> impl Iterator<Item = Candidate<'a>> {
        let boots = image.chain.iter().flat_map(|chain| &chain.boots);
        boots.map(move |boot| {
            let banks = boot.banks();
            let held = boot.pcrs.keys().filter_map(|&pcr| self.held(pcr, &banks)).collect();
            Candidate { image, boot, held }
        })
    }

    /// The results for all PCRs. Without `explain`, a difference has no words: to find them takes long.
    fn results(&self, closest: Option<&Compared<'_, '_>>, known: Known<'_>, explain: bool) -> Vec<PcrResult> {
        let Known { booted, trusted, expected } = known;
        let quoted: BTreeSet<_> = self.quote.selection.iter().map(|(_, pcr)| pcr).collect();
        let of_entry = closest.into_iter().flat_map(|(one, _)| one.boot.pcrs.keys().copied());
        let of_user = expected.values().flat_map(|values| values.keys().copied());
        let all: BTreeSet<_> = quoted.iter().copied().chain(of_entry).chain(of_user).collect();
        let result = |pcr| {
            let mut found = PcrResult {
                pcr,
                result: if quoted.contains(&pcr) { PcrOutcome::NotPredicted } else { PcrOutcome::NotQuoted },
                vouched_by: Vec::new(),
                banks: Vec::new(),
                files: Vec::new(),
                answers: Vec::new(),
                differences: Vec::new(),
                other_banks: None,
            };
            match closest.filter(|(one, _)| one.boot.pcrs.contains_key(&pcr)) {
                Some((one, comparison)) => match one.held.iter().find(|held| held.pcr == pcr) {
                    Some(held) if comparison.fits(pcr) => {
                        found.vouched_by.push(Voucher::Entry);
                        found.banks.clone_from(&held.banks);
                        (found.files, found.answers) = (comparison.files_of(pcr), comparison.answers_of(pcr));
                    }
                    Some(held) if explain => found.differences = comparison.differences_of(held, self.log.events()),
                    Some(_) => found.differences = vec![Difference::of_value(String::new())],
                    None if quoted.contains(&pcr) => {
                        let (expected, quoted) = (one.boot.banks(), self.quote.selection.banks(pcr));
                        found.result = PcrOutcome::NoCommonBank;
                        let is_of_tpm12 = self.quote.attested.is_none();
                        found.other_banks = Some(OtherBanks { expected, quoted, is_of_tpm12 });
                    }
                    None => found.result = PcrOutcome::NotQuoted,
                },
                None if pcr == self.pcr => match booted.iter().map(|image| &image.name).min() {
                    Some(first) => {
                        found.vouched_by.push(Voucher::Entry);
                        let has_digest = |bank: &Bank| booted.iter().any(|image| image.after(*bank).is_some());
                        found.banks = self.values().map(|(bank, _)| bank).filter(has_digest).collect();
                        found.files = vec![closest.map_or(first, |(one, _)| &one.image.name).clone()];
                    }
                    None => found.differences = vec![Difference::of_value(self.why(trusted))],
                },
                None => {}
            }
            match self.meets(pcr, expected) {
                None => {}
                Some(Ok(banks)) => {
                    found.vouched_by.push(Voucher::Expect);
                    found.banks.extend(banks);
                }
                Some(Err(words)) => found.differences.push(Difference::of_value(words)),
            }
            if !found.differences.is_empty() {
                found.other_banks = None;
                (found.result, found.files, found.answers) = (PcrOutcome::Different, Vec::new(), Vec::new());
                found.banks.clear();
            } else if !found.vouched_by.is_empty() {
                found.other_banks = None;
                found.result = PcrOutcome::AsExpected;
                found.banks.sort_unstable();
                found.banks.dedup();
            }
            found
        };
        all.into_iter().map(result).collect()
    }

    /// Whether a PCR has the value that the user expects, and in which banks. `None` if none is given.
    fn meets(&self, pcr: Pcr, expected: &PcrValues) -> Option<std::result::Result<Vec<Bank>, String>> {
        let mut values = expected.iter().filter_map(|(bank, values)| Some((*bank, values.get(&pcr)?))).peekable();
        values.peek()?;
        let differs = |(bank, wanted)| self.differs(bank, pcr, wanted);
        let banks = values.clone().map(|(bank, _)| bank).filter(|bank| self.sha1 || *bank != Bank::Sha1).collect();
        Some(values.find_map(differs).map_or(Ok(banks), Err))
    }

    /// What of the chain was not checked, but for what runs unmeasured.
    fn unchecked(&self, boot: Option<&ExpectedBoot>, pcrs: &[PcrResult], booted: &[&TrustedImage]) -> Unchecked {
        let result = |pcr: Pcr| pcrs.iter().find(|one| one.pcr == pcr).map(|one| one.result);
        let is_needed = |pcr: Pcr| is_of_the_agent(pcr) || boot.is_some_and(|boot| has_events(boot, pcr));
        let is_open = |pcr: &Pcr| !matches!(result(*pcr), Some(PcrOutcome::AsExpected | PcrOutcome::Different));
        let mut unchecked = Unchecked::of_pcrs(Pcr::all().filter(|&pcr| is_needed(pcr)).filter(is_open).collect());
        if booted.is_empty() {
            unchecked.push("no image of the list was booted".to_owned());
        } else if boot.is_none() && !unchecked.is_firmware_alone() {
            unchecked.push(
                "the entry of the image expects nothing of it (predict --uki, --kernel, --esp or --disk with --allow-entry)"
                    .to_owned(),
            );
        }
        let needed: Vec<_> = pcrs.iter().filter(|one| is_needed(one.pcr) || one.pcr == self.pcr).collect();
        vouched_banks::check(&needed, |bank| self.value(bank, Pcr::all().next()?), &mut unchecked);
        let differing: Vec<_> =
            Pcr::all().filter(|&pcr| result(pcr) == Some(PcrOutcome::Different)).map(|pcr| pcr.to_string()).collect();
        if !differing.is_empty() {
            unchecked.push(format!("PCR {} is not as expected", differing.join(", ")));
        }
        unchecked
    }
}

/// The PCRs that are not quoted in a bank of the alternative that counts, although it says what must be in them.
fn missing(boot: Option<&ExpectedBoot>, pcrs: &[PcrResult]) -> Vec<Pcr> {
    let is_needed = |result: &&PcrResult| {
        matches!(result.result, PcrOutcome::NotQuoted | PcrOutcome::NoCommonBank)
            && boot.is_some_and(|boot| is_expected(boot, result.pcr))
    };
    pcrs.iter().filter(is_needed).map(|result| result.pcr).collect()
}
