//! The separator that systemd measures beside the image.

use crate::eventlog::Event;
use crate::hash::bank::Bank;

/// What systemd-pcrosseparator.service(8) extends PCRs 0-7, 9 and 12-14 with, from version 261 on, when the first systemd
/// of a boot sees the TPM: usually the one of the image, after measureroot.
const TEXT: &[u8] = b"os-separator";

/// Whether the event is the separator, in each of `banks`.
pub(super) fn is_separator(event: &Event, banks: &[Bank]) -> bool {
    banks.iter().all(|bank| event.digests.get(bank) == Some(&bank.digest(TEXT)))
}

/// Why a machine that booted the image `name` is not trusted. `behind`: the separator is behind the image, so the systemd
/// of the image measured it, and not one that ran before.
pub(super) fn reason(name: &str, behind: bool) -> String {
    let (place, remedy) = if behind {
        ("and then the os-separator of the image's own systemd", "mask it in the image")
    } else {
        ("but behind the os-separator of a systemd that ran before", "mask it there, predict with --before")
    };
    format!(
        "{name} was measured, {place}: systemd-pcrosseparator.service extends PCRs 0-7, 9 and 12-14 ({remedy}, or measure into a \
         PCR that it leaves alone, such as 8)"
    )
}
