//! A command line that the kernel gets, and who measures it.

use super::event::{EVENT_TAG, Expected, IPL};
use crate::hash::bank::Bank;

/// A command line that the kernel gets.
pub(super) struct CommandLine {
    /// In which case, if there is another.
    pub(super) name: &'static str,
    pub(super) text: String,
    /// In UTF-16. Empty if the kernel gets none.
    pub(super) measured: Vec<u8>,
    pub(super) from: Option<String>,
    pub(super) is_from_outside: bool,
}

impl CommandLine {
    /// The stub measures a command line from outside into PCR 12.
    pub(super) fn of_stub(&self, banks: &[Bank]) -> Option<Expected> {
        let what = format!("the command line {:?} from outside", self.text);
        self.is_from_outside.then(|| Expected::of(IPL, &what, None, &[&self.measured], banks))
    }

    /// The kernel measures each command line into PCR 9.
    pub(super) fn of_kernel(&self, banks: &[Bank]) -> Option<Expected> {
        let what = format!("the command line {:?}", self.text);
        let event = || Expected::of(EVENT_TAG, &what, self.from.as_deref(), &[&self.measured], banks);
        (!self.measured.is_empty()).then(event)
    }
}
