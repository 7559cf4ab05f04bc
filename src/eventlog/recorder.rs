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
            Err(error) => log::warn!("PCR {pcr} is extended, but cannot be read: {error}"),
        }
        logged.unwrap_or_else(|error| log::warn!("the event is not logged: {error}"));
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
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::eventlog::{Log, header, journal, parse};
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::Pcr;
    use crate::measure::soft_pcrs::SoftPcrs;

    const PCR: PcrIndex = PcrIndex::DEFAULT;
    const OVMF: &[u8] = include_bytes!("../../tests/eventlog/ovmf.bin");

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

    fn agile(banks: &[Bank]) -> LogForm {
        LogForm::CryptoAgile(Header::of(banks.iter().copied()))
    }

    fn image() -> Claim {
        Claim::image("/dev/vda", 5, "verity")
    }

    fn firmware(bytes: &[u8]) -> File {
        use std::io::Seek;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    /// Records one event before the files exist and one after. Returns the values of the PCR.
    fn boot(run: &Path, banks: &[Bank], before: Option<&[u8]>) -> Digests {
        let (mut tpm, mut recorder) = (SoftPcrs::zero(banks), Recorder::default());
        assert_eq!(recorder.form(), None);
        recorder.measured(&mut tpm, PCR, &digests_of(banks, b"image"), image()).unwrap();
        let journal = Journal::create(run, recorder.form().unwrap(), before.map(firmware)).unwrap();
        recorder.write_to(journal).unwrap();
        recorder.failed(&mut tpm, PCR).unwrap();
        tpm.read(PCR, banks).unwrap()
    }

    fn log(run: &Path, name: &str) -> Log {
        parse(&fs::read(run.join(name)).unwrap()).unwrap()
    }

    #[test]
    fn replaying_each_file_gives_the_value_of_the_pcr() {
        let run = tempfile::tempdir().unwrap();
        let held = boot(run.path(), &Bank::ALL, Some(OVMF));
        let pcr = Pcr::from(PCR);
        for name in [journal::OWN, journal::WHOLE, journal::SYSTEMD] {
            let log = log(run.path(), name);
            for (bank, value) in &held {
                assert_eq!(log.replay()[bank][&pcr], *value, "{name}, {bank}");
            }
            let ours: Vec<_> = log.events_of(pcr).filter_map(|(_, event)| Claim::of(event)).collect();
            assert_eq!(ours, [image(), Claim::failed()], "{name}");
            assert_eq!(fs::metadata(run.path().join(name)).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
        }
        assert!(fs::read(run.path().join(journal::WHOLE)).unwrap().starts_with(OVMF));
        assert_eq!(log(run.path(), journal::OWN).events().len(), 2);
    }

    #[test]
    fn our_events_in_a_firmwares_log_have_its_banks() {
        for (banks, name) in [(&[Bank::Sha1, Bank::Sha512][..], "fewer"), (&Bank::ALL, "the same")] {
            let before = header::Header::of([Bank::Sha512, Bank::Sha256].into_iter()).encode();
            let run = tempfile::tempdir().unwrap();
            boot(run.path(), banks, Some(&before));
            let log = log(run.path(), journal::WHOLE);
            assert_eq!(log.events()[0].digests.keys().collect::<Vec<_>>(), [&Bank::Sha256, &Bank::Sha512], "{name}");
        }
    }

    #[test]
    fn a_missing_firmware_log_leaves_ours_as_the_whole_and_a_malformed_one_leaves_none() {
        for before in [None, Some(&[][..])] {
            let run = tempfile::tempdir().unwrap();
            boot(run.path(), &[Bank::Sha256], before);
            assert_eq!(log(run.path(), journal::WHOLE), log(run.path(), journal::OWN));
        }
        let run = tempfile::tempdir().unwrap();
        boot(run.path(), &[Bank::Sha256], Some(&[0; 100]));
        assert!(!run.path().join(journal::WHOLE).exists() && log(run.path(), journal::OWN).events().len() == 2);
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
        assert_eq!(recorder.form(), Some(agile(&[Bank::Sha384])));
    }

    #[test]
    fn existing_files_and_a_firmware_log_that_is_too_long_are_refused() {
        for name in [journal::OWN, journal::WHOLE] {
            let run = tempfile::tempdir().unwrap();
            fs::create_dir(run.path().join("measureroot")).unwrap();
            fs::write(run.path().join(name), "planted").unwrap();
            assert!(Journal::create(run.path(), agile(&Bank::ALL), None).is_err(), "{name}");
        }
        let run = tempfile::tempdir().unwrap();
        let large = firmware(OVMF);
        large.set_len(5 << 20).unwrap();
        assert!(Journal::create(run.path(), agile(&Bank::ALL), Some(large)).is_err());
        let run = tempfile::tempdir().unwrap();
        let longest = firmware(OVMF);
        longest.set_len(4 << 20).unwrap();
        assert!(Journal::create(run.path(), agile(&Bank::ALL), Some(longest)).is_ok());
    }

    #[test]
    fn systemds_log_is_continued_and_its_sticky_bit_kept() {
        for mode in [0o600, 0o1600] {
            let run = tempfile::tempdir().unwrap();
            let path = run.path().join(journal::SYSTEMD);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "\u{1e}{\"pcr\":15,\"digests\":[]}\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            boot(run.path(), &[Bank::Sha256], None);
            assert_eq!(log(run.path(), journal::SYSTEMD).events().len(), 3);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
            // The same with one more record.
            fs::remove_dir_all(run.path().join("measureroot")).unwrap();
            let mut recorder = Recorder::default();
            recorder.failed(&mut SoftPcrs::zero(&Bank::ALL), PCR).unwrap();
            recorder.write_to(Journal::create(run.path(), agile(&Bank::ALL), None).unwrap()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
            fs::remove_file(&path).unwrap();
            // A link that another program planted is not followed, be it to a regular file.
            fs::write(run.path().join("other"), "").unwrap();
            for planted in [Path::new("/dev/null"), &run.path().join("other")] {
                std::os::unix::fs::symlink(planted, &path).unwrap();
                fs::remove_dir_all(run.path().join("measureroot")).unwrap();
                let mut recorder = Recorder::default();
                recorder.failed(&mut SoftPcrs::zero(&Bank::ALL), PCR).unwrap();
                assert!(recorder.write_to(Journal::create(run.path(), agile(&Bank::ALL), None).unwrap()).is_err());
                fs::remove_file(&path).unwrap();
            }
        }
    }
}
