//! The form of a TCG log that this program writes or continues.

use super::event_type::EventType;
use super::header::Header;
use super::{tcg, tcg_sha1};
use crate::cursor::Cursor;
use crate::error::Result;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// The form of a TCG log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogForm {
    /// The crypto-agile form, with this header.
    CryptoAgile(Header),
    /// The older form, for a TPM 1.2: no header, and one SHA-1 digest for each event.
    Sha1,
}

impl LogForm {
    /// The form of the log that follows the log of the firmware. That is the form of `own`, unless the firmware's log has a header.
    ///
    /// # Errors
    /// When our events cannot follow the log of the firmware.
    pub(super) fn behind(firmware: &[u8], own: &Self) -> Result<Self> {
        if firmware.is_empty() {
            return Ok(own.clone());
        }
        match (Header::read(&mut Cursor::new("event log", firmware)), own) {
            (Err(_), Self::Sha1) if tcg_sha1::is_whole(firmware) => Ok(Self::Sha1),
            (header, _) => header.map(Self::CryptoAgile),
        }
    }

    /// The bytes before the first event.
    pub(super) fn start(&self) -> Vec<u8> {
        match self {
            Self::CryptoAgile(header) => header.encode(),
            Self::Sha1 => Vec::new(),
        }
    }

    /// Encodes an event.
    pub(super) fn encode(&self, pcr: Pcr, kind: EventType, digests: &Digests, data: &[u8]) -> Vec<u8> {
        match self {
            Self::CryptoAgile(header) => tcg::encode(header, pcr, kind, digests, data),
            Self::Sha1 => tcg_sha1::encode(pcr, kind, digests, data),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Seek, Write};

    use super::*;
    use crate::eventlog::claim::Claim;
    use crate::eventlog::journal::{self, Journal};
    use crate::eventlog::recorder::Recorder;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;
    use crate::measure::pcr::PcrIndex;
    use crate::measure::pcrs::Pcrs;
    use crate::measure::soft_pcrs::SoftPcrs;
    use crate::measure::tpm_version::TpmVersion;

    const PCR: PcrIndex = PcrIndex::DEFAULT;

    #[test]
    fn our_events_follow_a_log_of_their_form_or_one_with_a_header() {
        let header = || Header::of([Bank::Sha256].into_iter());
        let agile = LogForm::CryptoAgile(header());
        let pcr = Pcr::try_from(4).unwrap();
        let old = LogForm::Sha1.encode(pcr, EventType(0xD), &digests_of(&[Bank::Sha1], b"loader"), b"loader");
        let other = LogForm::CryptoAgile(Header::of(Bank::ALL.into_iter()));
        let table: [(&[u8], &LogForm, Option<LogForm>); 9] = [
            (&[], &agile, Some(agile.clone())),
            (&[], &LogForm::Sha1, Some(LogForm::Sha1)),
            (&other.start(), &agile, Some(other.clone())),
            (&other.start(), &LogForm::Sha1, Some(other.clone())),
            (&old, &LogForm::Sha1, Some(LogForm::Sha1)),
            // The other banks would have no digest.
            (&old, &agile, None),
            (&old[1..], &LogForm::Sha1, None),
            (&[&old[..], &[0; 64]].concat(), &LogForm::Sha1, None),
            (&[&old[..], &[0xff; 64]].concat(), &LogForm::Sha1, None),
        ];
        for (firmware, own, expected) in table {
            assert_eq!(LogForm::behind(firmware, own).ok(), expected, "{firmware:?}, {own:?}");
        }
    }

    /// A TPM 1.2.
    struct Version12(SoftPcrs);

    impl Pcrs for Version12 {
        fn banks(&mut self, pcr: PcrIndex) -> Result<Vec<Bank>> {
            self.0.banks(pcr)
        }
        fn read(&mut self, pcr: PcrIndex, banks: &[Bank]) -> Result<Digests> {
            self.0.read(pcr, banks)
        }
        fn extend(&mut self, pcr: PcrIndex, digests: &Digests) -> Result<()> {
            self.0.extend(pcr, digests)
        }
        fn tpms(&self) -> Vec<TpmVersion> {
            vec![TpmVersion::V1_2]
        }
    }

    #[test]
    fn the_logs_of_a_tpm_1_2_have_the_older_form() {
        let image = || Claim::image("/dev/vda", 5, "verity");
        let pcr = Pcr::from(PCR);
        let loader = [(Bank::Sha1, Bank::Sha1.digest(b"loader"))].into();
        let loader = LogForm::Sha1.encode(Pcr::try_from(4).unwrap(), EventType(0xD), &loader, b"loader");
        for before in [&[][..], &loader] {
            let (run, mut tpm) = (tempfile::tempdir().unwrap(), Version12(SoftPcrs::zero(&[Bank::Sha1])));
            let mut firmware = tempfile::tempfile().unwrap();
            firmware.write_all(before).unwrap();
            firmware.rewind().unwrap();
            let mut recorder = Recorder::default();
            recorder.measured(&mut tpm, PCR, &digests_of(&[Bank::Sha1], b"image"), image()).unwrap();
            let journal = Journal::create(run.path(), recorder.form().unwrap(), Some(firmware)).unwrap();
            recorder.write_to(journal).unwrap();
            recorder.failed(&mut tpm, PCR).unwrap();
            let held = tpm.read(PCR, &[Bank::Sha1]).unwrap();
            for name in [journal::OWN, journal::WHOLE, journal::SYSTEMD] {
                let log = crate::eventlog::parse(&fs::read(run.path().join(name)).unwrap()).unwrap();
                assert_eq!(log.replay()[&Bank::Sha1][&pcr], held[&Bank::Sha1], "{name}");
                let ours: Vec<_> = log.events_of(pcr).filter_map(|(_, event)| Claim::of(event)).collect();
                assert_eq!(ours, [image(), Claim::failed()], "{name}");
            }
            let [whole, own] = [journal::WHOLE, journal::OWN].map(|name| fs::read(run.path().join(name)).unwrap());
            assert_eq!(own[..8], [13, 0, 0, 0, 6, 0, 0, 0], "no header");
            assert_eq!(whole, [before, &own].concat());
        }
    }
}
