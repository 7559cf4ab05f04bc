//! The event types that have names.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::error::{Error, Result};

/// `TCG_EVENTTYPE`. Prints as its name, or as its number in hex if it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType(pub u32);

/// The names (TCG PC Client Platform Firmware Profile 1.06, section 10.4.1, tables "Event Types" and "EFI Events"). From 0x400 on they
/// are those of a dynamic launch with Intel TXT (Intel TXT Software Development Guide, 315168, "Event Types"; tboot,
/// tboot/include/txt/heap.h), from 0x502 on those of Linux's Secure Launch (TrenchBoot, include/linux/slaunch.h).
const NAMES: [(u32, &str); 65] = [
    (0x0000_0000, "EV_PREBOOT_CERT"),
    (0x0000_0001, "EV_POST_CODE"),
    (0x0000_0002, "EV_UNUSED"),
    (0x0000_0003, "EV_NO_ACTION"),
    (0x0000_0004, "EV_SEPARATOR"),
    (0x0000_0005, "EV_ACTION"),
    (0x0000_0006, "EV_EVENT_TAG"),
    (0x0000_0007, "EV_S_CRTM_CONTENTS"),
    (0x0000_0008, "EV_S_CRTM_VERSION"),
    (0x0000_0009, "EV_CPU_MICROCODE"),
    (0x0000_000A, "EV_PLATFORM_CONFIG_FLAGS"),
    (0x0000_000B, "EV_TABLE_OF_DEVICES"),
    (0x0000_000C, "EV_COMPACT_HASH"),
    (0x0000_000D, "EV_IPL"),
    (0x0000_000E, "EV_IPL_PARTITION_DATA"),
    (0x0000_000F, "EV_NONHOST_CODE"),
    (0x0000_0010, "EV_NONHOST_CONFIG"),
    (0x0000_0011, "EV_NONHOST_INFO"),
    (0x0000_0012, "EV_OMIT_BOOT_DEVICE_EVENTS"),
    (0x0000_0013, "EV_POST_CODE2"),
    (0x0000_0401, "EVTYPE_PCRMAPPING"),
    (0x0000_0402, "EVTYPE_HASH_START"),
    (0x0000_0403, "EVTYPE_COMBINED_HASH"),
    (0x0000_0404, "EVTYPE_MLE_HASH"),
    (0x0000_040A, "EVTYPE_BIOSAC_REG_DATA"),
    (0x0000_040B, "EVTYPE_CPU_SCRTM_STAT"),
    (0x0000_040C, "EVTYPE_LCP_CONTROL_HASH"),
    (0x0000_040D, "EVTYPE_ELEMENTS_HASH"),
    (0x0000_040E, "EVTYPE_STM_HASH"),
    (0x0000_040F, "EVTYPE_OSSINITDATA_CAP_HASH"),
    (0x0000_0410, "EVTYPE_SINIT_PUBKEY_HASH"),
    (0x0000_0411, "EVTYPE_LCP_HASH"),
    (0x0000_0412, "EVTYPE_LCP_DETAILS_HASH"),
    (0x0000_0413, "EVTYPE_LCP_AUTHORITIES_HASH"),
    (0x0000_0414, "EVTYPE_NV_INFO_HASH"),
    (0x0000_0415, "EVTYPE_COLD_BOOT_BIOS_HASH"),
    (0x0000_0416, "EVTYPE_KM_HASH"),
    (0x0000_0417, "EVTYPE_BPM_HASH"),
    (0x0000_0418, "EVTYPE_KM_INFO_HASH"),
    (0x0000_0419, "EVTYPE_BPM_INFO_HASH"),
    (0x0000_041A, "EVTYPE_BOOT_POL_HASH"),
    (0x0000_04FE, "EVTYPE_RANDOM_VALUE"),
    (0x0000_04FF, "EVTYPE_CAP_VALUE"),
    (0x0000_0502, "TXT_EVTYPE_SLAUNCH"),
    (0x0000_0503, "TXT_EVTYPE_SLAUNCH_START"),
    (0x0000_0504, "TXT_EVTYPE_SLAUNCH_END"),
    (0x8000_0001, "EV_EFI_VARIABLE_DRIVER_CONFIG"),
    (0x8000_0002, "EV_EFI_VARIABLE_BOOT"),
    (0x8000_0003, "EV_EFI_BOOT_SERVICES_APPLICATION"),
    (0x8000_0004, "EV_EFI_BOOT_SERVICES_DRIVER"),
    (0x8000_0005, "EV_EFI_RUNTIME_SERVICES_DRIVER"),
    (0x8000_0006, "EV_EFI_GPT_EVENT"),
    (0x8000_0007, "EV_EFI_ACTION"),
    (0x8000_0008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"),
    (0x8000_0009, "EV_EFI_HANDOFF_TABLES"),
    (0x8000_000A, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"),
    (0x8000_000B, "EV_EFI_HANDOFF_TABLES2"),
    (0x8000_000C, "EV_EFI_VARIABLE_BOOT2"),
    (0x8000_000D, "EV_EFI_GPT_EVENT2"),
    (0x8000_0010, "EV_EFI_HCRTM_EVENT"),
    (0x8000_00E0, "EV_EFI_VARIABLE_AUTHORITY"),
    (0x8000_00E1, "EV_EFI_SPDM_FIRMWARE_BLOB"),
    (0x8000_00E2, "EV_EFI_SPDM_FIRMWARE_CONFIG"),
    (0x8000_00E3, "EV_EFI_SPDM_DEVICE_POLICY"),
    (0x8000_00E4, "EV_EFI_SPDM_DEVICE_AUTHORITY"),
];

impl EventType {
    /// The event extends no PCR. It gives information about the log or the platform.
    pub const NO_ACTION: Self = Self(0x0000_0003);
    /// The event data is a `TCG_PCClientTaggedEvent`, as in our own events.
    pub const EVENT_TAG: Self = Self(0x0000_0006);
    /// The end of the firmware's measurements, or an error of the firmware.
    pub(super) const SEPARATOR: Self = Self(0x0000_0004);
    /// Linux's Secure Launch puts these marks around its own events of a dynamic launch. It extends what stands between them, not the
    /// marks (TrenchBoot, arch/x86/kernel/slmodule.c, `slaunch_tpm2_extend`).
    pub(super) const SLAUNCH_START: Self = Self(0x0000_0503);
    pub(super) const SLAUNCH_END: Self = Self(0x0000_0504);
    /// A hardware root of trust measured the firmware before the TPM was started.
    pub(super) const HCRTM: Self = Self(0x8000_0010);

    /// Whether an event of this type extends no PCR.
    pub(super) fn is_silent(self) -> bool {
        [Self::NO_ACTION, Self::SLAUNCH_START, Self::SLAUNCH_END].contains(&self)
    }

    /// Whether the type has a name.
    pub(super) fn has_name(self) -> bool {
        NAMES.iter().any(|(number, _)| *number == self.0)
    }
}

/// The letters and digits of a name as programs write it: `EV_EFI_ACTION`, `ev_efi_action` (libcel), `efi-action`
/// (systemd-pcrlock).
fn letters(name: &str) -> impl Iterator<Item = char> {
    let name = name.strip_prefix("EV_").or_else(|| name.strip_prefix("ev_")).unwrap_or(name);
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_uppercase())
}

impl Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

impl FromStr for EventType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = || match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let named = NAMES.iter().find(|(_, name)| letters(name).eq(letters(text))).map(|(number, _)| *number);
        named.or_else(number).map(Self).ok_or_else(|| Error::new(text, "is not an event type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_type_parses_to_the_same_type() {
        for number in NAMES.iter().map(|(number, _)| *number).chain([0x14, 0x8000_00FF, u32::MAX]) {
            assert_eq!(EventType(number).to_string().parse(), Ok(EventType(number)));
        }
        for (text, number) in
            [("6", 6), ("0X6", 6), ("ev_ipl", 0xD), ("efi-action", 0x8000_0007), ("preboot-cert", 0), ("event-tag", 6)]
        {
            assert_eq!(text.parse(), Ok(EventType(number)), "{text}");
        }
        for wrong in ["", "EV_", "ev_ipl2", "0x1ffffffff", "-1", "0x+1 "] {
            assert!(wrong.parse::<EventType>().is_err(), "{wrong}");
        }
    }
}
