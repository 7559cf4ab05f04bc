//! A variable of UEFI as the firmware measures it: `UEFI_VARIABLE_DATA` (TCG PC Client Platform Firmware Profile 1.06, section
//! 10.2.6).

use crate::cursor::Fields;

/// `EFI_GLOBAL_VARIABLE`, 8be4df61-93ca-11d2-aa0d-00e098032b8c, and `EFI_IMAGE_SECURITY_DATABASE_GUID`,
/// d719b2cb-3d3a-4596-a3bc-dad00e67656f, in their bytes (UEFI 2.10, sections 3.3 and 32.6.1).
pub(super) const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
pub(super) const SECURITY: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    /// Who gave it its name.
    pub(super) vendor: [u8; 16],
    /// Its name.
    pub(super) name: String,
    /// Its value. A variable that is not there is measured without a value.
    pub(super) value: &'a [u8],
}

impl<'a> Variable<'a> {
    /// Reads what was measured. `None` if it is no variable, or if bytes are behind it.
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let fields = Fields(data);
        let length = |offset| fields.u64_le(offset).and_then(|length| usize::try_from(length).ok());
        let (name, value) = data.get(32..)?.split_at_checked(length(16)?.checked_mul(2)?)?;
        let units = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let name = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
        (length(24)? == value.len()).then_some(Self { vendor: fields.at(0)?, name, value })
    }

    /// What is measured of it. The name has no zero at its end.
    pub(super) fn measured(&self) -> Vec<u8> {
        let units: Vec<_> = self.name.encode_utf16().collect();
        let lengths = [units.len(), self.value.len()].map(|length| (length as u64).to_le_bytes());
        let name: Vec<_> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        [&self.vendor, lengths[0].as_slice(), &lengths[1], &name, self.value].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_reads_back() {
        for (name, value) in [("SecureBoot", &[1][..]), ("dbx", &[]), ("\u{1f600}", &[0; 9]), ("", &[])] {
            let variable = Variable { vendor: GLOBAL, name: name.to_owned(), value };
            let bytes = variable.measured();
            assert_eq!(Variable::parse(&bytes), Some(variable));
            for length in 0..bytes.len() {
                assert_eq!(Variable::parse(&bytes[..length]), None, "{length}");
            }
            assert_eq!(Variable::parse(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn lengths_beyond_the_bytes_and_names_that_are_no_text_are_refused() {
        let good = Variable { vendor: GLOBAL, name: "ab".to_owned(), value: &[1] }.measured();
        for (at, bytes) in
            [(16, &[0xFF; 8][..]), (24, &[0xFF; 8]), (16, &[0, 0, 0, 0, 0, 0, 0, 0x80]), (32, &[0, 0xD8])]
        {
            let mut wrong = good.clone();
            wrong[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Variable::parse(&wrong), None, "{at}");
        }
    }
}
