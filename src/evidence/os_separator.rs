//! The separator that a later systemd measures behind the image.

use crate::eventlog::Event;
use crate::hash::bank::Bank;

/// What systemd-pcrosseparator.service(8) extends PCRs 0-7, 9 and 12-14 with, from version 261 on, when the first systemd of a boot
/// sees the TPM. Behind measureroot, that is the systemd of the image.
const TEXT: &[u8] = b"os-separator";

/// Whether the event is the separator, in each of `banks`.
pub(super) fn is_separator(event: &Event, banks: &[Bank]) -> bool {
    banks.iter().all(|bank| event.digests.get(bank) == Some(&bank.digest(TEXT)))
}

/// Why a machine that booted the image `name` is not trusted.
pub(super) fn reason(name: &str) -> String {
    format!(
        "{name} was measured, and then the os-separator of the image's own systemd: its systemd-pcrosseparator.service extends \
         PCRs 0-7, 9 and 12-14 (mask it in the image, or measure into a PCR that it leaves alone, such as 8)"
    )
}
