//! The TPMs that the kernel shows.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::measure::tpm_version::{TpmChoice, TpmVersion};

/// More TPMs than a machine has. It bounds the time that they take.
const MOST: usize = 8;

/// The TPMs that the kernel shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShownTpms {
    /// The numbers of the TPMs 2.0.
    pub(crate) version2: Vec<u32>,
    /// The numbers of the TPMs 1.2.
    pub(crate) version12: Vec<u32>,
    /// A TPM that the kernel has not got ready.
    pending: Option<u32>,
}

/// A TPM in sysfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    number: u32,
    /// `None` if the kernel does not say it: one before Linux 5.6.
    version12: Option<bool>,
}

/// The name of the node of a TPM.
pub(crate) fn node(number: u32) -> String {
    format!("tpm{number}")
}

/// The name of its node in the kernel's resource manager, which manages TPMs 2.0 only: the node shows that there is one. It is
/// used if the other node cannot be opened a second time. Otherwise it is not: for each command it would save and load the
/// session, which takes 18 more commands.
pub(crate) fn managed(number: u32) -> String {
    format!("tpmrm{number}")
}

/// The TPMs in this folder of sysfs.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn list(class: &Path) -> Result<Vec<Listed>> {
    let entries = match fs::read_dir(class) {
        // The kernel has no TPM driver yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.about(class.display())?,
    };
    let mut listed = Vec::new();
    for entry in entries {
        let name = entry.about(class.display())?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("tpm")).and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        let version = fs::read_to_string(class.join(name).join("tpm_version_major"));
        listed.push(Listed { number, version12: version.ok().map(|version| version.trim() == "1") });
    }
    Ok(listed)
}

/// Keeps the numbers in order. Few items need no sort, whose code is large.
fn insert(numbers: &mut Vec<u32>, number: u32) {
    let place = numbers.iter().position(|other| *other > number).unwrap_or(numbers.len());
    numbers.insert(place, number);
}

impl ShownTpms {
    /// TPMs 2.0, TPMs 1.2, and one that is not ready.
    #[cfg(test)]
    pub(crate) fn of(newer: &[u32], older: &[u32], pending: Option<u32>) -> Self {
        Self { version2: newer.to_vec(), version12: older.to_vec(), pending }
    }

    /// Sorts the TPMs by what the folder of the nodes has of them. If the kernel does not say the version of one that has no node of
    /// the resource manager, `is_version12` asks the TPM with this number.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn sort(listed: &[Listed], nodes: &Path, is_version12: &dyn Fn(u32) -> bool) -> Result<Self> {
        let mut shown = Self::default();
        for &Listed { number, version12 } in listed {
            if version12 == Some(true) {
                insert(&mut shown.version12, number);
            } else if nodes.join(managed(number)).exists() {
                insert(&mut shown.version2, number);
            } else if version12.is_none() && is_version12(number) {
                insert(&mut shown.version12, number);
            } else {
                shown.pending = Some(number);
            }
        }
        if shown.count() > MOST {
            return Err(Error::new("/sys/class/tpm", format!("has {} TPMs, more than {MOST}", shown.count())));
        }
        Ok(shown)
    }

    /// How many TPMs can be extended.
    pub(crate) fn count(&self) -> usize {
        self.version2.len() + self.version12.len()
    }

    /// The number and the version of each TPM. The TPMs 2.0 come first: they have more banks.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, TpmVersion)> {
        let version2 = self.version2.iter().map(|number| (*number, TpmVersion::V2_0));
        version2.chain(self.version12.iter().map(|number| (*number, TpmVersion::V1_2)))
    }

    /// Whether there is a TPM that `choice` accepts, and the kernel has got all TPMs ready.
    pub(crate) fn is_ready_for(&self, choice: TpmChoice) -> bool {
        let accepted = if choice == TpmChoice::V2_0 { self.version2.len() } else { self.count() };
        self.pending.is_none() && accepted > 0
    }

    /// Refuses a TPM that is there and not ready: it would stay unextended. The kernel shows one whose firmware update was interrupted
    /// in this way, too (Linux, drivers/char/tpm/tpm-chip.c, `tpm_is_firmware_upgrade`).
    ///
    /// # Errors
    /// The TPM.
    pub(crate) fn refuse_unsettled(&self) -> Result<()> {
        let Some(number) = self.pending else { return Ok(()) };
        Err(Error::new(format!("/dev/{}", node(number)), "the kernel does not get this TPM ready")
            .hint("the kernel's log may have the cause; was an update of the TPM's firmware interrupted?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a machine shows that has these TPMs: the name of each, its version, and whether it has a node of the resource manager.
    fn shown(tpms: &[(&str, &str, bool)]) -> Result<ShownTpms> {
        let folder = tempfile::tempdir().unwrap();
        let (class, nodes) = (folder.path().join("class"), folder.path().join("dev"));
        fs::create_dir_all(&nodes).unwrap();
        for (name, version, is_managed) in tpms {
            fs::create_dir_all(class.join(name)).unwrap();
            if !version.is_empty() {
                fs::write(class.join(name).join("tpm_version_major"), format!("{version}\n")).unwrap();
            }
            if *is_managed {
                fs::write(nodes.join(name.replace("tpm", "tpmrm")), "").unwrap();
            }
        }
        // Of those whose version the kernel does not say, TPM 5 is a 1.2.
        ShownTpms::sort(&list(&class)?, &nodes, &|number| number == 5)
    }

    #[test]
    fn every_tpm_is_found() {
        let found = ShownTpms::of;
        let table = [
            (&[][..], found(&[], &[], None), false),
            (&[("tpm0", "2", true)], found(&[0], &[], None), true),
            (&[("tpm11", "2", true), ("tpm2", "2", true), ("other", "2", false)], found(&[2, 11], &[], None), true),
            (&[("tpm0", "1", false), ("tpm1", "2", true)], found(&[1], &[0], None), true),
            (&[("tpm3", "1", false), ("tpm0", "1", false)], found(&[], &[0, 3], None), true),
            (&[("tpm0", "2", true), ("tpm1", "2", false)], found(&[0], &[], Some(1)), false),
            (&[("tpm1", "2", false)], found(&[], &[], Some(1)), false),
            (&[("tpm0", "1", false), ("tpm1", "2", false)], found(&[], &[0], Some(1)), false),
            // A kernel before 5.6.
            (&[("tpm4", "", true), ("tpm5", "", false)], found(&[4], &[5], None), true),
            (&[("tpm6", "", false)], found(&[], &[], Some(6)), false),
        ];
        for (tpms, expected, settled) in table {
            let shown = shown(tpms).unwrap();
            assert_eq!((&shown, shown.is_ready_for(TpmChoice::Any)), (&expected, settled));
            assert_eq!(shown.is_ready_for(TpmChoice::V2_0), settled && !shown.version2.is_empty());
            assert_eq!(shown.refuse_unsettled().is_err(), shown.pending.is_some());
            assert_eq!(shown.all().count(), shown.count());
        }
    }

    #[test]
    fn too_many_tpms_are_an_error() {
        let names: Vec<_> = (0..=MOST).map(|number| format!("tpm{number}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "2", true)).collect();
        assert!(shown(&many).is_err() && shown(&many[1..]).is_ok());
    }
}
