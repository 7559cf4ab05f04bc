//! Where the firmware's own part of a log ends, and what the boot option begins with: the first program of a medium. What is
//! before it, is the same on each boot of the machine.

use std::ops::Range;

use super::event::{APPLICATION, AUTHORITY, SEPARATOR};
use super::firmware::CALLING;
use crate::eventlog::event::Content;
use crate::eventlog::{Event, EventType, Log};

/// The part of a log that is the firmware's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where the last event is that the firmware extends PCR 4 with before the boot option that booted, and where its first program
    /// is. Between them is what the firmware measures of the medium.
    between: Range<usize>,
}

impl Frame {
    /// Finds it. `None` if the firmware starts no program of a medium: the log is of a boot by BIOS, or it is cut.
    pub(super) fn of(log: &Log) -> Option<Self> {
        let of_pcr_4 = || log.events().iter().enumerate().filter(|(_, event)| pcr(event) == Some(4));
        let ends = |event: &Event| is(event, SEPARATOR) || data(event).is_some_and(|data| data == CALLING.as_bytes());
        // A boot option that failed is followed by the call of the next one. Behind the last call is the program that booted.
        let (call, _) = of_pcr_4().rfind(|(_, event)| ends(event))?;
        let mut last = call;
        for (index, event) in of_pcr_4().filter(|(index, _)| *index > call) {
            if is(event, APPLICATION) && !event.is_firmware_file() {
                return Some(Self { between: last..index });
            }
            last = index;
        }
        None
    }

    /// Whether an event is the firmware's own. The authority of the boot option's program stands before the program.
    pub(super) fn has(&self, index: usize, event: &Event) -> bool {
        index < self.between.end && !(is(event, AUTHORITY) && index > self.between.start)
    }
}

fn pcr(event: &Event) -> Option<u8> {
    event.extends().map(crate::measure::pcr::Pcr::get)
}

fn is(event: &Event, wanted: EventType) -> bool {
    matches!(event.content, Content::Tcg { kind, .. } if kind == wanted)
}

fn data(event: &Event) -> Option<&[u8]> {
    match &event.content {
        Content::Tcg { data, .. } => Some(data),
        Content::Json { .. } => None,
    }
}
