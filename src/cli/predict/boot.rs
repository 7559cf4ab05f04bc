//! A boot that is predicted.

use super::start::MenuEntry;
use crate::chain::esp::Entry;
use crate::chain::forecasts::Forecasts;

/// One boot: the only one, or one of an entry of the menu.
#[derive(Debug)]
pub(super) struct Boot {
    /// The entry, if there is a menu.
    pub(super) entry: Option<MenuEntry>,
    /// What is expected.
    pub(super) forecasts: Forecasts,
}

impl Boot {
    /// That of an entry. `partition` is the one that firmware starts, if there could be others.
    pub(super) fn of(Entry { id, title, is_default, elsewhere, forecasts }: Entry, partition: Option<&str>) -> Self {
        let partition = match (partition, elsewhere) {
            (Some(own), Some(elsewhere)) => Some(format!("{elsewhere}, started from {own}")),
            (own, elsewhere) => elsewhere.or(own.map(str::to_owned)),
        };
        Self { entry: Some(MenuEntry { partition, id, title, default: is_default }), forecasts }
    }
}
