//! What a quoted PCR holds, and the events that led to it.

use crate::eventlog::Event;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::pcr::Pcr;

/// A quoted PCR, in the banks that count.
#[derive(Debug, Clone)]
pub(in crate::evidence) struct Held<'a> {
    /// Its number.
    pub(in crate::evidence) pcr: Pcr,
    /// The banks that are quoted, count, and have an expectation.
    pub(in crate::evidence) banks: Vec<Bank>,
    /// Its value in each of the banks.
    pub(in crate::evidence) values: Digests,
    /// The locality that started the TPM, as the log says; it is proven with the events.
    pub(in crate::evidence) locality: u8,
    /// The events that led from there to the values; their digests are proven. `None` if no log tells it.
    pub(in crate::evidence) events: Option<Vec<&'a Event>>,
}
