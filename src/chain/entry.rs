//! A boot: an entry of a boot loader's menu, or the only boot of a partition.

use super::forecasts::Forecasts;

/// A boot.
#[derive(Debug)]
pub struct Entry {
    /// The name of its file.
    pub id: String,
    /// Its title, if its file has one.
    pub title: Option<String>,
    /// Whether the boot loader starts it if nobody chooses: `default` of loader.conf or of GRUB's configuration names it. A
    /// variable of the firmware may name another.
    pub is_default: bool,
    /// The partition that has its files, if it is another one than that of the boot loader.
    pub elsewhere: Option<String>,
    /// What is expected.
    pub forecasts: Forecasts,
}

impl Entry {
    pub(super) fn new(id: &str, forecasts: Forecasts) -> Self {
        Self { id: id.to_owned(), title: None, is_default: false, elsewhere: None, forecasts }
    }
}
