//! Extending the PCR. The boot and the prediction run this same code, so a prediction cannot differ from the boot.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, digests_of};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::{Pcrs, Rtmr};
use crate::measure::rtmr::{RtmrExtension, RtmrIndex};
use crate::measure::session::Session;
use crate::measure::tpm_version::TpmVersion;
use crate::say;

/// If a boot fails, the PCR is extended with the digest of this text in each bank.
pub const FAILED: &str = "measureroot: failed";
/// Before an unmeasured image runs, the PCR is extended with the digest of this text in each bank.
pub(crate) const UNMEASURED: &str = "measureroot: unmeasured";

/// One extend in one bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// The digest that the PCR was extended with.
    pub digest: Digest,
    /// The value of the PCR before.
    pub before: Digest,
    /// The value of the PCR after, as read back: H(before || digest).
    pub after: Digest,
}

/// What was measured. Only this module can make a report, and switching root requires one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(clippy::manual_non_exhaustive)] // `non_exhaustive` would not bind the other rooms of this crate.
pub struct Report {
    /// Whether the image was measured. If not, the PCR was extended with [`UNMEASURED`].
    pub measured: bool,
    /// The PCR that was extended.
    pub pcr: PcrIndex,
    /// The version of each TPM that was extended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tpms: Vec<TpmVersion>,
    /// The session that protected the extend on the bus to the TPM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// The extend in each bank; empty only without a TPM: in an unmeasured boot, or if there are RTMRs.
    pub banks: BTreeMap<Bank, Extension>,
    /// The extends of the RTMRs, which only a confidential virtual machine has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rtmrs: Vec<RtmrExtension>,
    /// No other module can name this field, so none can make a report.
    #[serde(skip)]
    only_here: (),
}

/// Extends `pcr` with the image's digests, in all banks with one command, and reads the PCR back to check that it has the
/// expected value.
///
/// # Errors
/// When `digests` is empty, when the TPM refuses, or when the PCR has another value afterwards.
pub fn extend(pcrs: &mut dyn Pcrs, pcr: PcrIndex, digests: &Digests) -> Result<Report> {
    let all: Vec<_> = digests.keys().copied().collect();
    extend_active(pcrs, pcr, &all, digests)
}

/// The same for a PCR that has only the banks `active`. Another digest is for the RTMRs, which have a bank of their own.
///
/// # Errors
/// As [`extend`], and when an RTMR is not extended, or has another value afterwards. All registers are extended before that.
#[inline(never)]
pub(crate) fn extend_active(pcrs: &mut dyn Pcrs, pcr: PcrIndex, active: &[Bank], digests: &Digests) -> Result<Report> {
    let mut report = Report::empty(true, pcr, Some(&*pcrs));
    let rtmrs = extend_rtmrs(pcrs.rtmrs(), pcr, digests.get(&RtmrIndex::BANK));
    if pcrs.has_pcrs() {
        let mut own = Digests::new();
        for (&bank, digest) in digests.iter().filter(|(bank, _)| active.contains(bank)) {
            own.insert(bank, digest.clone());
        }
        report.banks = extend_checked(pcrs, pcr, &own)?;
    }
    report.rtmrs = rtmrs?;
    report.of_a_register()
}

/// The banks that an image is hashed for: those of the PCR, and the one of the RTMRs if there are any.
pub(crate) fn with_rtmr_bank(pcrs: &mut dyn Pcrs, active: &[Bank]) -> Vec<Bank> {
    let more = !pcrs.rtmrs().is_empty() && !active.contains(&RtmrIndex::BANK);
    let mut banks = active.to_vec();
    banks.extend(more.then_some(RtmrIndex::BANK));
    Bank::in_order(&banks)
}

/// Extends `pcr` with [`UNMEASURED`], if there is a TPM, so that no verifier takes the boot for a measured one.
///
/// # Errors
/// When there is a TPM and the extend fails.
pub(crate) fn extend_unmeasured(pcrs: Option<&mut (dyn Pcrs + '_)>, pcr: PcrIndex) -> Result<Report> {
    let mut report = Report::empty(false, pcr, pcrs.as_deref());
    let Some(pcrs) = pcrs else { return Ok(report) };
    // All are marked before the error of one ends the boot.
    let rtmrs = extend_rtmrs(pcrs.rtmrs(), pcr, Some(&RtmrIndex::BANK.digest(UNMEASURED.as_bytes())));
    if pcrs.has_pcrs() {
        report.banks = extend_text(pcrs, pcr, UNMEASURED)?;
    }
    report.rtmrs = rtmrs?;
    report.of_a_register()
}

impl Report {
    fn empty(measured: bool, pcr: PcrIndex, pcrs: Option<&(dyn Pcrs + '_)>) -> Self {
        let (tpms, session) = pcrs.map_or_else(Default::default, |pcrs| (pcrs.tpms(), pcrs.session()));
        Self { measured, pcr, tpms, session, banks: BTreeMap::new(), rtmrs: Vec::new(), only_here: () }
    }

    /// The same report. An error if no register was extended: the boot must not go on as if one had been.
    fn of_a_register(self) -> Result<Self> {
        if self.banks.is_empty() && self.rtmrs.is_empty() {
            return Err(Error::new(format_args!("PCR {}", self.pcr), "no bank to extend"));
        }
        Ok(self)
    }
}

/// Extends `pcr` with [`FAILED`]: from here on the PCR cannot have the value of any image. This returns no [`Report`], because
/// with a report the boot could go on.
///
/// `banks` are the active banks, if they are known. The extend comes first: a TPM that fails every other command must not
/// keep the PCR from it. If nobody knows the banks, not even the TPM, each bank gets a command of its own.
///
/// # Errors
/// When no bank could be extended.
pub fn extend_failed(pcrs: &mut dyn Pcrs, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
    let (mut digests, mut failed) = (digests_of(&[RtmrIndex::BANK], FAILED.as_bytes()), None);
    // Each is marked, whatever the others answer.
    for Rtmr { index, register } in pcrs.rtmrs() {
        if let Err(error) = register.extend(pcr, &digests) {
            failed = Some(named(*index, error));
        }
    }
    digests = if pcrs.has_pcrs() { extend_failed_pcr(pcrs, pcr, banks)? } else { Digests::new() };
    failed.map_or(Ok(digests), Err)
}

fn extend_failed_pcr(pcrs: &mut dyn Pcrs, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
    let banks = if banks.is_empty() { pcrs.banks(pcr) } else { Ok(banks.to_vec()) };
    let mut error = match banks {
        Ok(banks) if !banks.is_empty() => {
            let digests = digests_of(&banks, FAILED.as_bytes());
            return pcrs.extend(pcr, &digests).map(|()| digests);
        }
        Ok(_) => Error::new(format_args!("PCR {pcr}"), "no bank to extend"),
        Err(error) => error,
    };
    let mut extended = Digests::new();
    for bank in Bank::ALL {
        let digests = digests_of(&[bank], FAILED.as_bytes());
        match pcrs.extend(pcr, &digests) {
            Ok(()) => extended.extend(digests),
            Err(refused) => error = refused,
        }
    }
    if extended.is_empty() { Err(error) } else { Ok(extended) }
}

/// Warns if the PCR had a value before the boot extended it. `tpm` says in which TPM.
pub(crate) fn warn_if_used<'a>(tpm: &str, pcr: PcrIndex, before: impl IntoIterator<Item = &'a Digest>) {
    if before.into_iter().any(|value| value.as_bytes().iter().any(|&byte| byte != 0)) {
        say::warn!(
            "{tpm}: PCR {pcr} was not zero: something extended it before this boot (the firmware, a boot loader, systemd-stub, or \
             the system before a kexec). A verifier that expects zero will not trust this boot; status.json has the values, and \
             predict takes them with --before"
        );
    }
}

fn extend_text(pcrs: &mut dyn Pcrs, pcr: PcrIndex, text: &str) -> Result<BTreeMap<Bank, Extension>> {
    let banks = pcrs.banks(pcr)?;
    extend_checked(pcrs, pcr, &digests_of(&banks, text.as_bytes()))
}

/// Extends each RTMR, and checks each. All are extended before the error of one is returned.
#[inline(never)]
fn extend_rtmrs(rtmrs: &mut [Rtmr], pcr: PcrIndex, digest: Option<&Digest>) -> Result<Vec<RtmrExtension>> {
    let (mut digests, mut extensions, mut failed) = (Digests::new(), Vec::new(), None);
    digests.extend(digest.map(|digest| (RtmrIndex::BANK, digest.clone())));
    for Rtmr { index, register } in rtmrs {
        match extend_checked(&mut **register, pcr, &digests) {
            Ok(banks) => {
                let extension =
                    |Extension { digest, before, after }| RtmrExtension { rtmr: *index, digest, before, after };
                extensions.extend(banks.into_values().map(extension));
            }
            Err(error) => failed = Some(named(*index, error)),
        }
    }
    failed.map_or(Ok(extensions), Err)
}

fn named(index: RtmrIndex, error: Error) -> Error {
    error.renamed(format_args!("RTMR {index}"))
}

#[inline(never)]
fn extend_checked(pcrs: &mut dyn Pcrs, pcr: PcrIndex, digests: &Digests) -> Result<BTreeMap<Bank, Extension>> {
    let banks: Vec<_> = digests.keys().copied().collect();
    if banks.is_empty() {
        return Err(Error::new(format_args!("PCR {pcr}"), "no bank to extend"));
    }
    let before = pcrs.read(pcr, &banks)?;
    pcrs.extend(pcr, digests)?;
    let after = pcrs.read(pcr, &banks)?;
    let mut extensions = BTreeMap::new();
    for (&bank, digest) in digests {
        // An attacker on the bus to the TPM can drop an extend. Another program can extend the PCR in between.
        let (Some(before), Some(after)) = (before.get(&bank), after.get(&bank)) else {
            return Err(Error::new(
                format_args!("PCR {pcr}"),
                format_args!("the TPM gave no value for its {bank} bank"),
            ));
        };
        let expected = before.extended(bank, digest);
        if *after != expected {
            let cause = format!("its {bank} bank has {after} after the extend, not {expected}");
            return Err(Error::new(format_args!("PCR {pcr}"), cause)
                .hint("does another program extend it, or is there an attacker on the bus to the TPM?"));
        }
        extensions.insert(bank, Extension { digest: digest.clone(), before: before.clone(), after: after.clone() });
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::captured::captured;
    use crate::measure::soft_pcrs::SoftPcrs;

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    /// What a TPM does instead of the command.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Lie {
        None,
        WithholdBank,
        DropExtend,
        DropBank,
        ExtendTwice,
    }

    /// A TPM that lies.
    struct LyingTpm {
        pcrs: SoftPcrs,
        lie: Lie,
    }

    impl LyingTpm {
        fn new(lie: Lie) -> Self {
            Self { pcrs: SoftPcrs::zero(&Bank::ALL), lie }
        }
    }

    impl Pcrs for LyingTpm {
        fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
            self.pcrs.banks(pcr)
        }
        fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
            let mut values = self.pcrs.read(pcr, banks)?;
            if self.lie == Lie::WithholdBank {
                values.remove(&Bank::Sha256);
            }
            Ok(values)
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            let mut digests = digests.clone();
            match self.lie {
                Lie::DropExtend => digests.clear(),
                Lie::DropBank => drop(digests.remove(&Bank::Sha1)),
                Lie::ExtendTwice => self.pcrs.extend(pcr, &digests)?,
                Lie::None | Lie::WithholdBank => {}
            }
            self.pcrs.extend(pcr, &digests)
        }
    }

    #[test]
    fn an_extend_that_does_not_give_the_expected_value_is_an_error() {
        let digests = digests_of(&[Bank::Sha1, Bank::Sha256], b"image");
        for lie in [Lie::WithholdBank, Lie::DropExtend, Lie::DropBank, Lie::ExtendTwice] {
            assert!(extend(&mut LyingTpm::new(lie), PCR, &digests).is_err(), "{lie:?}");
        }
        let report = extend(&mut LyingTpm::new(Lie::None), PCR, &digests).unwrap();
        let sha1 = &report.banks[&Bank::Sha1];
        assert_eq!(sha1.after, Bank::Sha1.digest(&[[0; 20].as_slice(), sha1.digest.as_bytes()].concat()));
        assert!(report.measured);
    }

    #[test]
    fn a_pcr_that_was_not_zero_before_is_said() {
        let zero = Digest::zero(Bank::Sha256);
        let mut last = [0; 20];
        last[19] = 1;
        let used = Digest::from_bytes(Bank::Sha1, &last).unwrap();
        for (before, is_said) in
            [(vec![], false), (vec![&zero], false), (vec![&used], true), (vec![&zero, &used], true)]
        {
            let lines = captured(|| warn_if_used("TPM 7", PCR, before.clone()));
            let is_right =
                |line: &String| line.starts_with("WARN: TPM 7: PCR 13 was not zero: something extended it before");
            assert!(lines.len() == usize::from(is_said) && lines.iter().all(is_right), "{before:?}: {lines:?}");
        }
    }

    #[test]
    fn without_a_bank_nothing_is_measured() {
        assert!(extend(&mut SoftPcrs::zero(&[]), PCR, &Digests::new()).is_err());
    }

    /// A TPM that answers only to TPM2_PCR_Extend, and that has one bank only.
    struct OnlyExtends(SoftPcrs);

    impl Pcrs for OnlyExtends {
        fn banks(&mut self, _: PcrIndex) -> Result<Vec<Bank>> {
            Err(Error::new("TPM", "does not say"))
        }
        fn read(&mut self, _: PcrIndex, _: &[Bank]) -> Result<Digests> {
            Err(Error::new("TPM", "does not say"))
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            let known = digests.keys().all(|bank| *bank == Bank::Sha256);
            if known { self.0.extend(pcr, digests) } else { Err(Error::new("TPM", "has no such bank")) }
        }
    }

    #[test]
    fn a_failure_extends_the_pcr_of_a_tpm_that_answers_to_nothing_else() {
        for banks in [&[][..], &[Bank::Sha256]] {
            let mut tpm = OnlyExtends(SoftPcrs::zero(&[Bank::Sha256]));
            let extended = extend_failed(&mut tpm, PCR, banks).unwrap();
            assert_eq!(extended, digests_of(&[Bank::Sha256], FAILED.as_bytes()));
            assert_eq!(tpm.0.read(PCR, &[Bank::Sha256]).unwrap(), {
                let mut expected = SoftPcrs::zero(&[Bank::Sha256]);
                expected.extend(PCR, &extended).unwrap();
                expected.read(PCR, &[Bank::Sha256]).unwrap()
            });
        }
        assert!(extend_failed(&mut OnlyExtends(SoftPcrs::zero(&[])), PCR, &[Bank::Sha1]).is_err());
    }

    #[test]
    fn a_failure_extends_the_known_banks_and_every_bank_if_none_is_known() {
        let extended =
            |active: &[Bank], known: &[Bank]| extend_failed(&mut SoftPcrs::zero(active), PCR, known).unwrap();
        assert_eq!(extended(&Bank::ALL, &[Bank::Sha256]), digests_of(&[Bank::Sha256], FAILED.as_bytes()));
        assert_eq!(extended(&[Bank::Sha256], &[]), digests_of(&[Bank::Sha256], FAILED.as_bytes()));
        // A TPM that names no bank may have one all the same.
        assert_eq!(extended(&[], &[]), digests_of(&Bank::ALL, FAILED.as_bytes()));
    }

    #[test]
    fn an_unmeasured_boot_extends_the_pcr() {
        let mut tpm = SoftPcrs::zero(&[Bank::Sha256]);
        let report = extend_unmeasured(Some(&mut tpm), PCR).unwrap();
        assert!(!report.measured);
        assert_eq!(report.banks[&Bank::Sha256].digest, Bank::Sha256.digest(b"measureroot: unmeasured"));
        assert!(extend_unmeasured(None, PCR).unwrap().banks.is_empty());
    }
}
