//! Whether the firmware names a TPM, whatever the command line lets the kernel do with it. The command line can keep every driver
//! from a TPM (`initcall_blacklist=`, `module_blacklist=`). The TPM is there all the same, and the booted system can bring it back.

use std::fs;
use std::path::Path;

/// What the firmware says about a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirmwareTpm {
    /// It names a TPM 2.0.
    Version2,
    /// It names a TPM, perhaps of version 1.2.
    AnyVersion,
    /// It names none.
    None,
    /// The kernel shows no tables of the firmware, for example because of `acpi=off`.
    Unknown,
}

impl FirmwareTpm {
    /// Reads the tables of the firmware from `folder`, which is /sys/firmware. They are ACPI's (Linux,
    /// Documentation/ABI/testing/sysfs-firmware-acpi) or a device tree.
    #[must_use]
    pub(crate) fn named_in(folder: &Path) -> Self {
        let (acpi, tree) = (folder.join("acpi/tables"), folder.join("devicetree/base"));
        let tables = names(&acpi);
        // A signature has four characters. If several tables have it, a number follows.
        let has = |signature: &str| tables.iter().any(|table| table.starts_with(signature));
        // TCG ACPI Specification, Family "1.2" and "2.0": TPM2 is for a TPM 2.0, TCPA for a TPM 1.2.
        if has("TPM2") {
            Self::Version2
        } else if has("TCPA") || has_node(&tree, DEPTH) {
            Self::AnyVersion
        } else if acpi.is_dir() || tree.is_dir() {
            Self::None
        } else {
            Self::Unknown
        }
    }
}

/// The deepest nodes of a device tree to look at. A TPM stands below a bus, and that below a few others.
const DEPTH: usize = 16;

/// Whether a node below `folder` is a TPM that is not switched off. Its name is `tpm` or `tpm@ADDRESS` (Linux,
/// Documentation/devicetree/bindings/tpm/tpm-common.yaml).
fn has_node(folder: &Path, depth: usize) -> bool {
    depth > 0
        && names(folder).iter().any(|name| {
            let node = folder.join(name);
            let is_tpm = (name == "tpm" || name.starts_with("tpm@")) && node.is_dir();
            (is_tpm && is_on(&node)) || (node.is_dir() && has_node(&node, depth - 1))
        })
}

/// A node without `status` is on (Devicetree Specification 0.4, section 2.3.4).
fn is_on(node: &Path) -> bool {
    fs::read(node.join("status")).map_or(true, |status| status.starts_with(b"ok"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_or_a_node_names_a_tpm() {
        let named = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            FirmwareTpm::named_in(folder.path())
        };
        let node = |status| [("devicetree/base/soc/i2c@1/tpm@2e/compatible", "x\0"), status];
        let table: [(&[(&str, &str)], FirmwareTpm); 8] = [
            (&[], FirmwareTpm::Unknown),
            (&[("acpi/tables/DSDT", "")], FirmwareTpm::None),
            (&[("acpi/tables/DSDT", ""), ("acpi/tables/TPM2", "")], FirmwareTpm::Version2),
            (&[("acpi/tables/TPM21", ""), ("acpi/tables/TPM22", ""), ("acpi/tables/TCPA", "")], FirmwareTpm::Version2),
            (&[("acpi/tables/TCPA", "")], FirmwareTpm::AnyVersion),
            (&node(("devicetree/base/soc/i2c@1/tpm@2e/status", "okay\0")), FirmwareTpm::AnyVersion),
            (&node(("devicetree/base/soc/i2c@1/tpm@2e/status", "disabled\0")), FirmwareTpm::None),
            (&[("devicetree/base/soc/tpmless/compatible", "tpm")], FirmwareTpm::None),
        ];
        for (files, expected) in table {
            assert_eq!(named(files), expected, "{files:?}");
        }
    }
}
