//! A boot that is predicted.

use super::root::Root;
use super::start::{MenuEntry, Start};
use crate::chain::entry::Entry;
use crate::chain::forecasts::Forecasts;

/// One boot: the only one, or one of an entry of the menu.
#[derive(Debug)]
pub(super) struct Boot {
    /// The entry, if there is a menu.
    pub(super) entry: Option<MenuEntry>,
    /// What is expected.
    pub(super) forecasts: Forecasts,
    /// The root image that it measures, if that was found on its disk.
    pub(super) root: Option<Root>,
}

impl Boot {
    /// Its name in messages and lists.
    pub(super) fn name(&self, start: &Start) -> String {
        self.entry.as_ref().map_or_else(|| start.file().to_owned(), MenuEntry::name)
    }

    /// That of an entry. `partition` is the one that firmware starts, if there could be others.
    pub(super) fn of(Entry { id, title, is_default, elsewhere, forecasts }: Entry, partition: Option<&str>) -> Self {
        let partition = match (partition, elsewhere) {
            (Some(own), Some(elsewhere)) => Some(format!("{elsewhere}, started from {own}")),
            (own, elsewhere) => elsewhere.or(own.map(str::to_owned)),
        };
        Self { entry: Some(MenuEntry { partition, id, title, default: is_default }), forecasts, root: None }
    }
}
