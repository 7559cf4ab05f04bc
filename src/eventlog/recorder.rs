//! Records this boot's events. To record an event is to extend the PCR first and to log it then. There is no other way into
//! the log, so it has every event that happened, and no other.

use super::claim::Claim;
use super::header::Header;
use super::journal::{Journal, Recorded, Register};
use super::log_form::LogForm;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::{Digest, Digests, collected};
use crate::measure::measurement::{self, Report};
use crate::measure::pcr::PcrIndex;
use crate::measure::pcrs::Pcrs;
use crate::measure::rtmr::RtmrIndex;
use crate::measure::tpm_version::TpmVersion;
use crate::say;

/// The log of this boot: in memory at first, also in files once [`Recorder::write_to`] was called.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    events: Vec<Recorded>,
    journal: Option<Journal>,
    /// The active banks of the PCR, once they are known; none if the machine has only RTMRs.
    known: Option<Vec<Bank>>,
    /// The value of the PCR after the last event.
    held: Digests,
    /// Whether every TPM that was extended is a TPM 1.2.
    only_version12: bool,
}

impl Recorder {
    /// Remembers the active banks of the PCR, for the case that the TPM does not name them a second time.
    pub(crate) fn knows(&mut self, banks: &[Bank]) {
        self.known = Some(banks.to_vec());
    }

    /// Extends `pcr` with the measured digests, see [`measurement::extend`], and logs it.
    ///
    /// # Errors
    /// If the PCR cannot be extended or the log cannot be written.
    pub(crate) fn measured(
        &mut self,
        pcrs: &mut dyn Pcrs,
        pcr: PcrIndex,
        digests: &Digests,
        claim: Claim,
    ) -> Result<Report> {
        let active = self.known.clone().unwrap_or_else(|| digests.keys().copied().collect());
        let report = measurement::extend_active(pcrs, pcr, &active, digests)?;
        self.report(&report, claim)?;
        Ok(report)
    }

    /// Marks a boot whose image is not measured, see [`measurement::extend_unmeasured`], and logs it.
    ///
    /// # Errors
    /// If the PCR cannot be extended or the log cannot be written.
    pub(crate) fn unmeasured(
        &mut self,
        pcrs: Option<&mut (dyn Pcrs + '_)>,
        pcr: PcrIndex,
        claim: Claim,
    ) -> Result<Report> {
        let report = measurement::extend_unmeasured(pcrs, pcr)?;
        self.report(&report, claim)?;
        Ok(report)
    }

    /// Marks a boot that failed, see [`measurement::extend_failed`], and logs it.
    ///
    /// # Errors
    /// If the PCR cannot be extended, or has the same value as before. That the PCR cannot be read, or the log not be written, is
    /// only logged: the mark stands, and no program will read the log.
    pub(crate) fn failed(&mut self, pcrs: &mut dyn Pcrs, pcr: PcrIndex) -> Result<()> {
        let digests = measurement::extend_failed(pcrs, pcr, self.known.as_deref().unwrap_or_default())?;
        let banks: Vec<_> = digests.keys().copied().collect();
        if pcrs.has_pcrs() {
            self.only_version12 = only_version12(&pcrs.tpms());
        }
        let mut logged = self.log(Register::Pcr(pcr.into()), digests, Claim::failed());
        for rtmr in pcrs.rtmrs() {
            let digest = RtmrIndex::BANK.digest(measurement::FAILED.as_bytes());
            logged = logged.and(self.log_rtmr(rtmr.index, digest, Claim::failed()));
        }
        match pcrs.read(pcr, &banks) {
            Ok(now) if now.iter().any(|(bank, value)| self.held.get(bank) == Some(value)) => {
                return Err(Error::new(format_args!("PCR {pcr}"), "has the same value as before the extend")
                    .hint("is there an attacker on the bus to the TPM?"));
            }
            // There are only RTMRs.
            Ok(now) if now.is_empty() => {}
            Ok(now) => self.held = now,
            Err(error) => say::warn!("PCR {pcr} is extended, but cannot be read: {error}"),
        }
        logged.unwrap_or_else(|error| say::warn!("the event is not logged: {error}"));
        Ok(())
    }

    /// The form of the log. `None` until a PCR was extended.
    pub(crate) fn form(&self) -> Option<LogForm> {
        let first = self.events.iter().find(|event| matches!(event.register, Register::Pcr(_)))?;
        let agile = || LogForm::CryptoAgile(Header::of(first.digests.keys().copied()));
        Some(if self.only_version12 { LogForm::Sha1 } else { agile() })
    }

    /// Whether an RTMR was extended.
    pub(crate) fn has_rtmrs(&self) -> bool {
        self.events.iter().any(|event| matches!(event.register, Register::Rtmr(_)))
    }

    /// The claims about the events, in order.
    #[cfg(test)]
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.events.iter().map(|event| &event.claim)
    }

    /// Writes the log into files, and every later event too.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write_to(&mut self, mut journal: Journal) -> Result<()> {
        self.events.iter().try_for_each(|event| journal.append(event))?;
        self.journal = Some(journal);
        Ok(())
    }

    fn report(&mut self, report: &Report, claim: Claim) -> Result<()> {
        self.only_version12 = only_version12(&report.tpms);
        self.held = collected(report.banks.iter().map(|(&bank, extension)| (bank, extension.after.clone())));
        let digests = collected(report.banks.iter().map(|(&bank, extension)| (bank, extension.digest.clone())));
        let mut logged = Ok(());
        for extension in &report.rtmrs {
            logged = logged.and(self.log_rtmr(extension.rtmr, extension.digest.clone(), claim.clone()));
        }
        logged.and(self.log(Register::Pcr(report.pcr.into()), digests, claim))
    }

    fn log_rtmr(&mut self, rtmr: RtmrIndex, digest: Digest, claim: Claim) -> Result<()> {
        let mut digests = Digests::new();
        digests.insert(RtmrIndex::BANK, digest);
        self.log(Register::Rtmr(rtmr), digests, claim)
    }

    #[inline(never)]
    fn log(&mut self, register: Register, digests: Digests, claim: Claim) -> Result<()> {
        // Without a TPM no PCR was extended.
        if digests.is_empty() {
            return Ok(());
        }
        let event = Recorded { register, digests, claim };
        let written = self.journal.as_mut().map_or(Ok(()), |journal| journal.append(&event));
        self.events.push(event);
        written
    }
}

fn only_version12(tpms: &[TpmVersion]) -> bool {
    !tpms.is_empty() && tpms.iter().all(|version| *version == TpmVersion::V1_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::digest::digests_of;
    use crate::measure::soft_pcrs::SoftPcrs;

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    /// A TPM that takes this many extends, and then gives this answer instead.
    struct Faulty(SoftPcrs, usize, Result<()>);

    impl Pcrs for Faulty {
        fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
            self.0.banks(pcr)
        }
        fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
            self.0.read(pcr, banks)
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            let Some(left) = self.1.checked_sub(1) else { return self.2.clone() };
            self.1 = left;
            self.0.extend(pcr, digests)
        }
    }

    fn image() -> Claim {
        Claim::image("/dev/vda", 5, "verity")
    }

    #[test]
    fn an_event_that_was_not_extended_is_not_logged() {
        let refuses = Err(Error::new("TPM", "refuses"));
        let (mut tpm, mut recorder) = (Faulty(SoftPcrs::zero(&Bank::ALL), 0, refuses), Recorder::default());
        assert!(recorder.measured(&mut tpm, PCR, &digests_of(&Bank::ALL, b"image"), image()).is_err());
        assert!(recorder.unmeasured(Some(&mut tpm), PCR, Claim::unmeasured()).is_err());
        assert!(recorder.failed(&mut tpm, PCR).is_err());
        assert!(!recorder.unmeasured(None, PCR, Claim::unmeasured()).unwrap().measured);
        assert!(recorder.events.is_empty());
    }

    #[test]
    fn a_mark_that_does_not_change_the_pcr_is_an_error() {
        let (mut tpm, mut recorder) = (Faulty(SoftPcrs::zero(&Bank::ALL), 1, Ok(())), Recorder::default());
        recorder.measured(&mut tpm, PCR, &digests_of(&Bank::ALL, b"image"), image()).unwrap();
        let error = recorder.failed(&mut tpm, PCR).unwrap_err().to_string();
        assert!(error.contains("has the same value as before the extend"), "{error}");
    }

    #[test]
    fn the_banks_that_were_known_before_are_marked() {
        let mut recorder = Recorder::default();
        recorder.knows(&[Bank::Sha384]);
        recorder.failed(&mut SoftPcrs::zero(&Bank::ALL), PCR).unwrap();
        assert_eq!(recorder.form(), Some(LogForm::CryptoAgile(Header::of([Bank::Sha384].into_iter()))));
    }
}
