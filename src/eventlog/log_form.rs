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
    use super::*;
    use crate::hash::bank::Bank;
    use crate::hash::digest::digests_of;

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
}
