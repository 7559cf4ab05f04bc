//! Modules that tboot takes away before it measures the others (`remove_txt_modules`): Intel's signed SINIT module, and the data of
//! a launch control policy. They never are the first module.

use std::ops::RangeInclusive;

use crate::cursor::Fields;

/// What a module is to tboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A kernel, an initrd, or something else: it is measured.
    Measured,
    /// SINIT.
    Sinit,
    /// Data of a launch control policy.
    PolicyData,
}

/// `ACM_TYPE_CHIPSET` and `ACM_VENDOR_INTEL` (`tboot/include/txt/acmod.h`).
const CHIPSET: u16 = 2;
const INTEL: u32 = 0x8086;
/// `ACM_UUID_V3`, and the type `ACM_CHIPSET_TYPE_SINIT` behind it.
const UUID: [u8; 16] = [0xAA, 0x3A, 0xC0, 0x7F, 0xA7, 0x46, 0xDB, 0x18, 0x2E, 0xAC, 0x69, 0x8F, 0x8D, 0x41, 0x7F, 0x5A];
const SINIT: u8 = 1;
/// By how much a module may be longer than its header says (`ACM_SIZE_MIN_PADDING`, `ACM_SIZE_MAX_PADDING`).
const PADDING: RangeInclusive<usize> = 0x1_0000..=0x4_0000;
/// How the two forms of policy data begin: `LCP_POLICY_DATA_FILE_SIGNATURE` and `LCP_POLICY_DATA_UUID`.
const POLICY_DATA: [&[u8]; 2] = [
    b"Intel(R) TXT LCP_POLICY_DATA\0\0\0\0",
    &[0x25, 0x19, 0x0D, 0xAB, 0xE7, 0xEE, 0xEB, 0x48, 0xFC, 0xA9, 0x0B, 0xAC, 0x5A, 0x26, 0x2D, 0x0E],
];

/// What a module is.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    if is_sinit(bytes).unwrap_or(false) {
        Kind::Sinit
    } else if POLICY_DATA.iter().any(|start| bytes.starts_with(start)) {
        Kind::PolicyData
    } else {
        Kind::Measured
    }
}

/// `is_sinit_acmod`.
fn is_sinit(bytes: &[u8]) -> Option<bool> {
    let fields = Fields(bytes);
    // module_type, header_len, module_vendor, size, scratch_size.
    let (kind, vendor, size) = (fields.u16_le(0)?, fields.u32_le(16)?, fields.u32_le(24)?);
    let (header, scratch) = (fields.u32_le(4)?, fields.u32_le(124)?);
    let more = bytes.len().checked_sub(usize::try_from(size.checked_mul(4)?).ok()?)?;
    if more > 0 && !PADDING.contains(&more) {
        return None;
    }
    // The information table is behind the header and the scratch area, whose lengths are counted in units of four bytes.
    let table = usize::try_from(header.checked_add(scratch)?.checked_mul(4)?).ok()?;
    let is_intel = kind == CHIPSET && vendor == INTEL && fields.at::<16>(table)? == UUID;
    Some(is_intel && fields.at::<1>(table.checked_add(UUID.len())?)? == [SINIT])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A module of Intel, with the type of the information table.
    pub(crate) fn made(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 0x480];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &2_u16.to_le_bytes());
        put(4, &0xA1_u32.to_le_bytes());
        put(16, &0x8086_u32.to_le_bytes());
        put(24, &(0x480_u32 / 4).to_le_bytes());
        put(124, &0x50_u32.to_le_bytes());
        put((0xA1 + 0x50) * 4, &UUID);
        put((0xA1 + 0x50) * 4 + 16, &[kind]);
        bytes
    }

    #[test]
    fn sinit_and_policy_data_are_told_from_other_modules() {
        assert_eq!(kind(&made(1)), Kind::Sinit);
        assert_eq!(kind(b"Intel(R) TXT LCP_POLICY_DATA\0\0\0\0..."), Kind::PolicyData);
        assert_eq!(kind(POLICY_DATA[1]), Kind::PolicyData);
        let longer = |by: usize| [made(1), vec![0; by]].concat();
        let kinds = [0, 1, 0xFFFF, 0x1_0000, 0x4_0000, 0x4_0001].map(|by| kind(&longer(by)) == Kind::Sinit);
        assert_eq!(kinds, [true, false, false, true, true, false]);
        let with = |at: usize, byte: u8| {
            let mut bytes = made(1);
            bytes[at] = byte;
            bytes
        };
        // Another type; another vendor; lengths that lead elsewhere, or out of the file.
        let end = (0xA1 + 0x50) * 4 + 16;
        for other in [
            made(0),
            made(8),
            with(0, 1),
            with(16, 0),
            with(4, 0),
            with(7, 0xFF),
            with(127, 0x3F),
            b"0707".to_vec(),
            vec![],
        ] {
            assert_eq!(kind(&other), Kind::Measured);
        }
        assert_eq!(kind(&made(1)[..end]), Kind::Measured);
    }
}
