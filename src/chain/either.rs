//! What is expected of a boot without Secure Boot and with it, as long as the machine decides that.

use std::collections::BTreeMap;

use super::forecast::Forecast;

/// The forecasts that depend on Secure Boot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Either {
    /// Without it.
    pub(super) off: BTreeMap<u8, Forecast>,
    /// With it.
    pub(super) on: BTreeMap<u8, Forecast>,
}

impl Either {
    /// The forecasts of one state.
    pub(super) fn of(self, is_on: bool) -> BTreeMap<u8, Forecast> {
        if is_on { self.on } else { self.off }
    }
}
