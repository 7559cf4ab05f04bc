//! The values with which PCRs start, as far as the events of a log decide it.

use super::event::Event;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;
use crate::hash::digest::Digest;
use crate::measure::pcr::Pcr;

/// The last byte of PCR 0 if a hardware root of trust measured the firmware before the TPM was started (TPM 2.0 Library, Part
/// 1, section "H-CRTM before TPM2_Startup()").
const HCRTM: u8 = 4;
/// The PCRs of a dynamic launch (TCG PC Client Platform TPM Profile 1.05, section 4.6.1).
const DYNAMIC: std::ops::RangeInclusive<u8> = 17..=22;

/// What a log says about the values with which PCRs start. The values of a TPM prove it: with a wrong start, no event leads
/// to them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Starts {
    /// The last byte of PCR 0.
    pcr_0: u8,
    /// A dynamic launch set its PCRs to zeros. Without one, no program at all can extend them.
    launched: bool,
}

impl Starts {
    /// Reads them from the events.
    ///
    /// # Errors
    /// If two events name different localities from which the TPM was started.
    pub(super) fn of(events: &[Event]) -> Result<Self> {
        let mut localities = events.iter().filter_map(Event::startup_locality);
        let locality = localities.next();
        if localities.any(|other| Some(other) != locality) {
            return Err(Error::new("event log", "two events name different localities from which the TPM was started"));
        }
        let extends = |event: &&Event, is: &dyn Fn(u8) -> bool| event.extends().is_some_and(|pcr| is(pcr.get()));
        let first = events.iter().find(|event| extends(event, &|pcr| pcr == 0));
        let hcrtm = first.is_some_and(Event::is_hcrtm).then_some(HCRTM);
        let launched = events.iter().any(|event| extends(&event, &|pcr| DYNAMIC.contains(&pcr)));
        Ok(Self { pcr_0: hcrtm.or(locality).unwrap_or(0), launched })
    }

    /// The value of a PCR before its first event.
    pub(super) fn value(self, pcr: Pcr, bank: Bank) -> Digest {
        match pcr.get() {
            0 => pcr.reset_value(bank).with_last_byte(self.pcr_0),
            number if self.launched && DYNAMIC.contains(&number) => Digest::zero(bank),
            _ => pcr.reset_value(bank),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of;

    const TAG: EventType = EventType::EVENT_TAG;
    const NO_ACTION: EventType = EventType::NO_ACTION;

    fn start(number: u32, events: &[(u32, EventType, &[u8])]) -> Digest {
        log_of(&[Bank::Sha1], events).start(Pcr::try_from(number).unwrap(), Bank::Sha1)
    }

    fn ending(last: u8) -> Digest {
        Digest::zero(Bank::Sha1).with_last_byte(last)
    }

    #[test]
    fn pcr_0_starts_with_the_locality_or_with_that_of_a_hardware_root_of_trust() {
        let locality = (0, NO_ACTION, b"StartupLocality\0\x03".as_slice());
        let hcrtm = (0, EventType::HCRTM, b"HCRTM".as_slice());
        let other = (0, TAG, b"StartupLocality\0\x03".as_slice());
        for (events, last) in [
            (vec![], 0),
            (vec![locality], 3),
            (vec![locality, locality], 3),
            (vec![hcrtm], 4),
            (vec![locality, hcrtm, other], 4),
            (vec![(1, TAG, b"x"), hcrtm], 4),
            (vec![other, hcrtm], 0),
            (vec![(1, EventType::HCRTM, b"HCRTM")], 0),
            (vec![(1, NO_ACTION, b"StartupLocality\0\x03")], 0),
            (vec![(0, NO_ACTION, b"StartupLocality\0")], 0),
            (vec![(0, NO_ACTION, b"startupLocality\0\x03")], 0),
            (vec![(0, NO_ACTION, b"StartupLocality\0\x03\0\0\0")], 3),
        ] {
            assert_eq!(start(0, &events), ending(last), "{events:?}");
        }
        let other = (0, NO_ACTION, b"StartupLocality\0\0".as_slice());
        let events = [locality, other].map(|event| log_of(&[Bank::Sha1], &[event]).events()[0].clone());
        assert!(Starts::of(&events).is_err());
    }

    #[test]
    fn the_pcrs_of_a_dynamic_launch_start_with_ones_until_one_is_extended() {
        let ones = Digest::ones(Bank::Sha1);
        assert_eq!((start(17, &[]), start(22, &[(16, TAG, b"x"), (23, TAG, b"x")])), (ones.clone(), ones));
        for number in 17..23 {
            assert_eq!(start(number, &[(19, TAG, b"x")]), ending(0), "{number}");
        }
        assert_eq!((start(16, &[(17, TAG, b"x")]), start(23, &[(17, TAG, b"x")])), (ending(0), ending(0)));
    }
}
