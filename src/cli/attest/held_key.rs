//! Keys of the TPM that are taken out of it again, whatever happens.

use crate::error::{Error, Result};
use crate::tpm::EsysPcrs;
use crate::tpm::attestation::HeldKey;

/// The handles of persistent keys of the owner and the platform (TPM 2.0 Library, Part 2, section 7.2, `TPM_HT_PERSISTENT`).
const PERSISTENT: std::ops::RangeInclusive<u32> = 0x8100_0000..=0x81ff_ffff;

/// The number of a persistent handle.
pub(super) fn handle(text: &str) -> Result<u32> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.filter(|number| PERSISTENT.contains(number)).ok_or_else(|| {
        Error::new(text, "is no persistent handle")
            .hint("0x81000000 to 0x81ffffff: tpm2_getcap handles-persistent lists them")
    })
}

/// Uses a key, and takes it out of the TPM also if that fails.
pub(super) fn with<T>(
    tpm: &mut EsysPcrs,
    key: Result<HeldKey>,
    action: impl FnOnce(&mut EsysPcrs, &HeldKey) -> Result<T>,
) -> Result<T> {
    let key = key?;
    let done = action(tpm, &key);
    let released = tpm.release(&key);
    let done = done?;
    released.map(|()| done)
}

/// The same with the attestation key: the one at a persistent handle, or the derived one.
pub(super) fn with_attestation_key<T>(
    tpm: &mut EsysPcrs,
    handle: Option<u32>,
    action: impl FnOnce(&mut EsysPcrs, &HeldKey) -> Result<T>,
) -> Result<T> {
    let key = match handle {
        Some(handle) => tpm.persistent_key(handle),
        None => tpm.attestation_key(),
    };
    with(tpm, key, action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_one_of_a_persistent_key() {
        assert_eq!((handle("0x81010002").unwrap(), handle("0x81FFFFFF").unwrap()), (0x8101_0002, 0x81ff_ffff));
        for wrong in ["", "81010002", "0x80000000", "0x82000000", "0x+1010002", "0x181010002", "0x"] {
            assert!(handle(wrong).is_err(), "{wrong}");
        }
    }
}
