//! The TPMs of a machine, as the kernel and the firmware show them.

use std::collections::BTreeMap;

use super::fact::Fact;
use super::root::Root;
use crate::boot::firmware_tpm::FirmwareTpm;
use crate::boot::shown_tpms::{self, ShownTpms};
use crate::measure::tpm_version::TpmVersion;

/// The values of a bank's PCRs in lower-case hex, by the PCR's number.
pub(in crate::cli::doctor) type Values = BTreeMap<u8, String>;

/// The TPMs.
#[derive(Debug)]
pub(in crate::cli::doctor) struct Tpms {
    /// Each TPM that can be extended, TPMs 2.0 first.
    pub(in crate::cli::doctor) each: Vec<Tpm>,
    /// Why the kernel's list of TPMs cannot be used, or the TPM that the kernel did not get ready.
    pub(in crate::cli::doctor) unsettled: Option<String>,
    /// What the firmware says.
    pub(in crate::cli::doctor) firmware: FirmwareTpm,
    /// Whether this is a TDX guest whose kernel shows its RTMRs.
    pub(in crate::cli::doctor) has_rtmrs: bool,
}

/// A TPM.
#[derive(Debug)]
pub(in crate::cli::doctor) struct Tpm {
    /// The number in its name.
    pub(in crate::cli::doctor) number: u32,
    /// Its version.
    pub(in crate::cli::doctor) version: TpmVersion,
    /// Its active banks, by the kernel's name of the hash. Empty if the kernel does not show them (before Linux 5.12).
    pub(in crate::cli::doctor) banks: BTreeMap<String, Values>,
    /// Why a PCR was not read.
    pub(in crate::cli::doctor) unread: Option<String>,
    /// Whether the kernel keeps the name of the null key.
    pub(in crate::cli::doctor) has_null_name: bool,
}

impl Tpms {
    /// Reads them.
    pub(super) fn read(root: &Root) -> Self {
        let (class, nodes) = (root.place("sys/class/tpm"), root.place("dev"));
        let firmware = root.place("sys/firmware");
        let firmware = firmware.known().map_or(FirmwareTpm::Unknown, |folder| FirmwareTpm::named_in(folder));
        let has_rtmrs = root.has("sys/devices/virtual/misc/tdx_guest/measurements");
        let (Some(class), nodes) = (class.known(), nodes.known().cloned().unwrap_or_default()) else {
            let unsettled = class.unread().map(str::to_owned);
            return Self { each: Vec::new(), unsettled, firmware, has_rtmrs };
        };
        let shown = shown_tpms::list(class).and_then(|listed| ShownTpms::sort(&listed, &nodes, &|_| false));
        let (each, unsettled) = match shown {
            Ok(shown) => {
                let each = shown.all().map(|(number, version)| Tpm::read(root, number, version)).collect();
                (each, shown.refuse_unsettled().err())
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        Self { each, unsettled: unsettled.map(|error| error.to_string()), firmware, has_rtmrs }
    }
}

impl Tpm {
    fn read(root: &Root, number: u32, version: TpmVersion) -> Self {
        let folder = format!("sys/class/tpm/{}", shown_tpms::node(number));
        let names = root.names(&folder);
        let mut unread = names.unread().map(str::to_owned);
        let mut banks = BTreeMap::new();
        // Linux, Documentation/ABI/stable/sysfs-class-tpm: a folder `pcr-HASH` for each active bank, with a file for each PCR.
        for name in names.known().into_iter().flatten() {
            let Some(bank) = name.strip_prefix("pcr-") else { continue };
            let mut values = Values::new();
            for pcr in 0..24 {
                match root.line(&format!("{folder}/{name}/{pcr}")) {
                    Fact::Known(value) => drop(values.insert(pcr, value.to_ascii_lowercase())),
                    Fact::Unread(why) => unread = Some(why),
                    Fact::Absent => {}
                }
            }
            banks.insert(bank.to_owned(), values);
        }
        let has_null_name = root.has(&format!("{folder}/null_name"));
        Self { number, version, banks, unread, has_null_name }
    }

    /// Whether a PCR has another value than zero in some bank. `None` if no bank shows it.
    pub(in crate::cli::doctor) fn is_extended(&self, pcr: u8) -> Option<bool> {
        let values: Vec<_> = self.banks.values().filter_map(|values| values.get(&pcr)).collect();
        (!values.is_empty()).then(|| values.iter().any(|value| !is_zero(value)))
    }
}

/// Whether a value is the one that the PCRs 0 to 15 start with.
pub(in crate::cli::doctor) fn is_zero(value: &str) -> bool {
    value.bytes().all(|digit| digit == b'0')
}
