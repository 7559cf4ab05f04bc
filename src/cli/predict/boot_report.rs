//! One boot in a report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::boot::Boot;
use super::start::MenuEntry;
use super::subject::Subject;
use crate::chain::forecast::{Forecast, Value};
use crate::hash::bank::Bank;

/// A boot.
#[derive(Debug, Serialize)]
pub(super) struct BootReport<'a> {
    /// The entry of a menu.
    #[serde(flatten)]
    pub(super) entry: Option<&'a MenuEntry>,
    /// The root image, if it is on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<&'a Subject>,
    /// What runs, or decides what runs, although no PCR holds it.
    pub(super) unmeasured: &'a [String],
    /// The PCRs.
    pub(super) pcrs: BTreeMap<u8, Pcr<'a>>,
}

/// One PCR.
#[derive(Debug, Serialize)]
pub(super) struct Pcr<'a> {
    /// Its values, if they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Vec<Value>>,
    /// What leads to them.
    #[serde(flatten)]
    pub(super) forecast: &'a Forecast,
}

impl<'a> BootReport<'a> {
    /// The report about a boot.
    pub(super) fn new(Boot { entry, forecasts, root }: &'a Boot, banks: &[Bank]) -> Self {
        let pcr = |(&pcr, forecast): (&u8, &'a Forecast)| (pcr, Pcr { values: forecast.values(banks), forecast });
        let pcrs = forecasts.pcrs.iter().map(pcr).collect();
        let root = root.as_ref().map(|root| &root.subject);
        Self { entry: entry.as_ref(), root, unmeasured: &forecasts.unmeasured, pcrs }
    }

    /// Whether a PCR is expected to be the same as after `other`.
    pub(super) fn has_same(&self, other: &Self, pcr: u8) -> bool {
        matches!((self.pcrs.get(&pcr), other.pcrs.get(&pcr)), (Some(one), Some(other)) if one.forecast == other.forecast)
    }
}
