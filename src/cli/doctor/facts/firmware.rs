//! What the firmware and the boot loader left behind: variables of UEFI, and the firmware's log.

use super::fact::Fact;
use super::root::Root;
use crate::boot::shown_tpms;
use crate::chain::efi_variables::GLOBAL_TEXT;
use crate::cli::read_limited;

/// The vendor of the variables that systemd's boot loader and stub set (systemd, docs/BOOT_LOADER_INTERFACE.md).
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// More TPMs than a machine has.
const MOST_TPMS: u32 = 16;

/// What systemd-stub did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Stub {
    /// It did not start the kernel.
    Absent,
    /// It started the kernel, and did not measure it.
    Silent,
    /// It measured the kernel: `StubPcrKernelImage` is set after a successful measurement only (systemd-stub(7)).
    Measured,
}

/// The firmware and the boot loader.
#[derive(Debug)]
pub(in crate::cli::doctor) struct Firmware {
    /// Whether the firmware is UEFI.
    pub(in crate::cli::doctor) is_uefi: bool,
    /// Whether the folder with the variables can be read.
    pub(in crate::cli::doctor) variables: Fact<()>,
    /// The values of `SecureBoot` and `SetupMode` (UEFI 2.10, section 3.3).
    pub(in crate::cli::doctor) secure_boot: Fact<Vec<u8>>,
    pub(in crate::cli::doctor) setup_mode: Fact<Vec<u8>>,
    /// What systemd-stub did.
    pub(in crate::cli::doctor) stub: Stub,
    /// Whether it measured extension images into PCR 13: `StubPcrInitRDSysExts` (systemd-stub(7)).
    pub(in crate::cli::doctor) stub_measured_extensions: bool,
    /// The number of the TPM that the firmware's log is about. The kernel shows it below the TPM that the firmware knows, which need not be
    /// the first one.
    pub(in crate::cli::doctor) log_of: Option<u32>,
    /// The firmware's log.
    pub(in crate::cli::doctor) log: Fact<Vec<u8>>,
}

impl Firmware {
    /// Reads it.
    pub(super) fn read(root: &Root) -> Self {
        let has = |name: &str| root.has(&format!("sys/firmware/efi/efivars/{name}-{LOADER}"));
        // Four bytes of attributes come first (kernel, Documentation/filesystems/efivarfs.rst).
        let value = |name: &str| {
            let bytes = root.bytes(&format!("sys/firmware/efi/efivars/{name}-{GLOBAL_TEXT}"), 4096);
            bytes.map(|bytes| bytes.get(4..).unwrap_or_default().to_vec())
        };
        // The kernel mounts nothing there by itself: then the folder is empty.
        let variables = match root.names("sys/firmware/efi/efivars") {
            Fact::Known(names) if names.is_empty() => Fact::Absent,
            names => names.map(drop),
        };
        let place = |number: u32| format!("sys/kernel/security/{}/binary_bios_measurements", shown_tpms::node(number));
        let log_of = (0..MOST_TPMS).find(|number| root.has(&place(*number)));
        Self {
            is_uefi: root.has("sys/firmware/efi"),
            variables,
            secure_boot: value("SecureBoot"),
            setup_mode: value("SetupMode"),
            stub: match (has("StubInfo"), has("StubPcrKernelImage")) {
                (false, _) => Stub::Absent,
                (true, false) => Stub::Silent,
                (true, true) => Stub::Measured,
            },
            stub_measured_extensions: has("StubPcrInitRDSysExts"),
            log_of,
            log: root.bytes(&place(log_of.unwrap_or_default()), read_limited::LOG),
        }
    }
}
