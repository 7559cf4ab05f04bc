//! The log of a good launch: SINIT's part of PCR 17 and 18, which has the firmware's and Intel's modules, and settings of the
//! machine. What the files decide is replaced: the MLE and tboot's own events.
//!
//! A log proves nothing by itself: whoever wrote it decides the values. So it must be compared with the TPM before it is used here.

use super::module::MEASUREMENT;
use crate::chain::event::Expected;
use crate::chain::forecast::Part;
use crate::error::{Error, Result};
use crate::eventlog::event::Content;
use crate::eventlog::{self, EventType, Log};
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// `EVTYPE_MLE_HASH` (MLE guide, table "TXT Event Types").
pub(super) const MLE_HASH: EventType = EventType(0x404);

/// A log with the events of a launch.
#[derive(Debug)]
pub struct LaunchLog {
    name: String,
    log: Log,
}

impl LaunchLog {
    /// Reads a log. `name` is what events and errors call it.
    ///
    /// # Errors
    /// If it is malformed, or has no event of a launch.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let log = eventlog::parse(bytes).map_err(|error| error.on(name))?;
        if !log.events().iter().any(|event| event.extends().is_some_and(|pcr| pcr.get() == 17)) {
            return Err(Error::new(name, "has no event of PCR 17, which a launch extends first")
                .hint("the firmware's log is another one: the launch has its own log in the memory of TXT (txt-stat prints it)"));
        }
        Ok(Self { name: name.to_owned(), log })
    }

    /// What a reader of the log should know.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.log.notes()
    }

    /// What must be as it was.
    pub(super) fn assumption(&self) -> String {
        format!("the firmware, SINIT, the launch control policy and tboot's settings are those of {}", self.name)
    }

    /// What a PCR has before tboot's own events: SINIT's events, with this one for the MLE. The error says why it does not follow.
    pub(super) fn before_tboot(
        &self,
        pcr: u8,
        mle: Option<&Expected>,
        banks: &[Bank],
    ) -> std::result::Result<Vec<Part>, String> {
        let own = |cause: &str| format!("{}: {cause}", self.name);
        let number = Pcr::try_from(u32::from(pcr)).map_err(|error| error.to_string())?;
        let (mut parts, mut measured, mut ended) = (Vec::new(), 0, false);
        for (index, event) in self.log.events_of(number) {
            let Content::Tcg { kind, .. } = event.content else {
                return Err(own(&format!("event {} is not SINIT's", index + 1)));
            };
            if kind == MEASUREMENT {
                ended = true;
                continue;
            }
            if ended {
                return Err(own(&format!("event {} comes after those of tboot", index + 1)));
            }
            let digests: Digests = banks.iter().filter_map(|&bank| Some((bank, event.digest(bank)?.clone()))).collect();
            let from = Some(format!("{}, event {}", self.name, index + 1));
            let expected = Expected { kind, what: event.words_in(&event.banks()), from, digests, judged: None };
            let is_mle = kind == MLE_HASH;
            measured += usize::from(is_mle);
            parts.push(mle.filter(|_| is_mle).cloned().unwrap_or(expected));
        }
        if !ended {
            return Err(own(&format!("has no event of tboot for PCR {pcr}: the log is cut, or of another launch")));
        }
        // Some versions of SINIT leave it out of the log, so the log does not lead to the PCR (docs/howto_use.md,
        // "Force TPM2 legacy log format").
        if mle.is_some() && measured != 1 {
            return Err(own("does not have one event for the MLE"));
        }
        if !banks.iter().any(|bank| parts.iter().all(|event| event.digests.contains_key(bank))) {
            return Err(own("no bank that tboot extends has a digest of each event"));
        }
        Ok(parts.into_iter().map(Part::Event).collect())
    }
}
