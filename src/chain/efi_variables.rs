//! The variables of Secure Boot of a machine, from files as Linux shows them in /sys/firmware/efi/efivars.

use super::efi_variable::{GLOBAL, SECURITY, Variable};
use super::event::{Expected, SEPARATOR, VARIABLE};
use super::forecasts::Forecasts;
use super::policy::Policy;
use super::{firmware, mok, secure_boot};
use crate::error::{Error, Result};
use crate::eventlog::words_of;
use crate::hash::bank::Bank;

/// The variables in the order in which firmware measures them, and whether one that is not there is measured, too (edk2, `Tcg2Dxe.c`,
/// `MeasureAllSecureVariables`; TCG PC Client Platform Firmware Profile 1.06, section 3.3.4.8, for dbr, which edk2 does not have).
const VARIABLES: [(&str, [u8; 16], bool); 7] = [
    (secure_boot::NAME, GLOBAL, true),
    ("PK", GLOBAL, true),
    ("KEK", GLOBAL, true),
    ("db", SECURITY, true),
    ("dbx", SECURITY, true),
    ("dbt", SECURITY, false),
    ("dbr", SECURITY, false),
];
/// The attributes before the value (kernel, Documentation/filesystems/efivarfs.rst).
const ATTRIBUTES: usize = 4;
/// What firmware may do that the variables do not tell.
const NO_OPTION_ROM: &str = "no driver of a device (option ROM) is allowed by another entry of db: --like tells it";
const LIKE_EDK2: &str = "the firmware measures the variables that edk2 does";

/// The variables.
#[derive(Debug)]
pub struct EfiVariables {
    folder: String,
    values: Vec<Option<Vec<u8>>>,
    /// The copies of shim's variables.
    copies: Vec<Option<Vec<u8>>>,
    is_on: bool,
}

impl EfiVariables {
    /// Reads the variables. `read` gives the bytes of a file in `folder`, or `None` if it is not there.
    ///
    /// # Errors
    /// If a file cannot be read, or is no variable.
    pub fn read(folder: &str, mut read: impl FnMut(&str) -> Result<Option<Vec<u8>>>) -> Result<Self> {
        let mut values = Vec::new();
        for (name, vendor, _) in VARIABLES {
            let file = format!("{name}-{}", if vendor == GLOBAL { GLOBAL_TEXT } else { SECURITY_TEXT });
            let value = |bytes: Vec<u8>| {
                let value = bytes.get(ATTRIBUTES..).map(<[u8]>::to_vec);
                value.ok_or_else(|| {
                    Error::new(format_args!("{folder}/{file}"), "is no variable: it has no attributes")
                        .hint("copy the files of /sys/firmware/efi/efivars as they are")
                })
            };
            values.push(read(&file)?.map(value).transpose()?);
        }
        let copy = |name: &&str| {
            let bytes = read(&format!("{name}-{}", mok::VENDOR))?;
            Ok(bytes.and_then(|bytes| bytes.get(ATTRIBUTES..).map(<[u8]>::to_vec)))
        };
        let copies = mok::COPIES.iter().map(copy).collect::<Result<_>>()?;
        let state = values.first().and_then(Option::as_deref).unwrap_or_default();
        let is_on = secure_boot::is_on(state).ok_or_else(|| {
            Error::new(format_args!("{folder}/{}-{GLOBAL_TEXT}", secure_boot::NAME), "is neither on nor off")
        })?;
        Ok(Self { folder: folder.to_owned(), values, copies, is_on })
    }

    /// Whether Secure Boot is on.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// The copies of shim's variables.
    pub(super) fn copies(&self) -> Vec<Option<Vec<u8>>> {
        self.copies.clone()
    }

    /// The value of db or dbx.
    pub(super) fn list(&self, name: &str) -> Vec<u8> {
        let at = VARIABLES.iter().position(|(own, ..)| *own == name);
        at.and_then(|at| self.values.get(at)).and_then(Option::clone).unwrap_or_default()
    }

    /// The event of a variable. `None` if it is not among those that are read.
    pub(super) fn event(&self, vendor: &[u8; 16], name: &str, banks: &[Bank]) -> Option<Expected> {
        let at = VARIABLES.iter().position(|(own, own_vendor, _)| *own == name && own_vendor == vendor)?;
        let value = self.values.get(at)?.as_deref().unwrap_or_default();
        let measured = Variable { vendor: *vendor, name: name.to_owned(), value }.measured();
        let from = format!("{}, {name}", self.folder);
        Some(Expected::of(VARIABLE, &words_of(VARIABLE, &measured), Some(&from), &[&measured], banks))
    }

    /// The variable that the firmware measures now and did not then, or the other way round: where it would measure it, is not known.
    pub(super) fn appeared_or_gone(&self, then: &[Variable<'_>]) -> Option<&'static str> {
        let was_there = |name, vendor| then.iter().any(|then| (then.name.as_str(), then.vendor) == (name, vendor));
        let mut changed = VARIABLES
            .iter()
            .zip(&self.values)
            .filter(|((name, vendor, is_always), value)| !is_always && value.is_some() != was_there(*name, *vendor));
        changed.next().map(|((name, ..), _)| *name)
    }

    /// Adds what follows from the variables alone.
    pub fn expect(&self, forecasts: &mut Forecasts, banks: &[Bank]) {
        let is_measured = |at: usize, always: bool| always || self.values.get(at).is_some_and(Option::is_some);
        let variables = VARIABLES.iter().enumerate().filter(|(at, (.., always))| is_measured(*at, *always));
        let mut events: Vec<_> =
            variables.filter_map(|(_, (name, vendor, _))| self.event(vendor, name, banks)).collect();
        events.push(Expected::of(SEPARATOR, firmware::END, None, &[&[0; 4]], banks));
        let assumes = [LIKE_EDK2].into_iter().chain(self.is_on.then_some(NO_OPTION_ROM)).map(str::to_owned).collect();
        let (db, dbx) = (self.list("db"), self.list("dbx"));
        let copies = Some(self.copies());
        Policy { events, assumes, is_on: self.is_on, db, dbx, copies, measured: Vec::new() }.expect(forecasts, banks);
    }
}

/// The vendors in the names of files.
pub(crate) const GLOBAL_TEXT: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SECURITY_TEXT: &str = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
