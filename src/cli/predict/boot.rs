//! A boot that is predicted.

use super::root::Root;
use super::start::{MenuEntry, Start};
use crate::chain::entry::Entry;
use crate::chain::forecast::Forecast;
use crate::chain::forecasts::Forecasts;

/// How the reason ends why PCR 9 does not follow, if an entry of GRUB's menu starts no kernel (src/chain/grub/commands.rs and menu.rs). If such
/// an end is missing here, the entry counts as one whose image is not known.
const NO_KERNEL: [&str; 4] = [
    ": fwsetup: starts the firmware's settings, and no kernel",
    ": halt: starts no kernel",
    ": reboot: starts no kernel",
    ": the entry loads no kernel",
];

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

    /// Why it is known to start no kernel, such as an entry for the firmware's settings: then it measures no image.
    pub(super) fn starts_no_kernel(&self) -> Option<&str> {
        match self.forecasts.pcrs.get(&9) {
            Some(Forecast::Open { why }) if NO_KERNEL.iter().any(|end| why.ends_with(end)) => Some(why),
            _ => None,
        }
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
