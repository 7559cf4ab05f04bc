//! What systemd measures into the image's PCR beside the image.

use crate::eventlog::Event;
use crate::hash::bank::Bank;

/// What systemd-pcrosseparator.service(8) extends PCRs 0-7, 9 and 12-14 with, from version 261 on. The unit has
/// `ConditionPathExists=/etc/initrd-release`: it runs in an initramfs with systemd, and is skipped in the booted system.
const SEPARATOR: &[u8] = b"os-separator";

/// How systemd-stub calls the extension images beside the kernel, which it measures into PCR 13 (systemd, src/boot/stub.c,
/// `generate_sidecar_initrds`). Their digest is that of an archive, so the name is the log's claim.
const EXTENSIONS: [&str; 2] = ["EV_IPL: System extension initrd", "EV_IPL: Global system extension initrd"];

/// The kinds of such events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SystemdEvent {
    /// The separator, in each bank that counts.
    Separator,
    /// Extension images, if the log is right.
    Extensions,
}

impl SystemdEvent {
    /// What the event is, judged by the digests in `banks`.
    pub(super) fn of(event: &Event, banks: &[Bank]) -> Option<Self> {
        if banks.iter().all(|bank| event.digests.get(bank) == Some(&bank.digest(SEPARATOR))) {
            return Some(Self::Separator);
        }
        EXTENSIONS.contains(&event.describe_in(banks).as_str()).then_some(Self::Extensions)
    }

    /// The words for it in a list of events.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Separator => "the os-separator of systemd-pcrosseparator.service",
            Self::Extensions => "by the log, the extension images that systemd-stub found beside the kernel",
        }
    }

    /// Why a machine is not trusted that booted the image `name` and has this event before it, or behind it.
    pub(super) fn reason(self, name: &str, behind: bool) -> String {
        let (place, remedy) = match (self, behind) {
            (Self::Separator, true) => (
                "and then",
                "the unit is for an initramfs, so the image was changed to run it: mask it there, or measure into another PCR than \
                 0-7, 9 and 12-14",
            ),
            (Self::Separator, false) => (
                "but behind",
                "an initramfs with systemd ran before: mask the unit there, predict with --before, or measure into another PCR \
                 than 0-7, 9 and 12-14",
            ),
            (Self::Extensions, true) => ("and then,", "systemd-stub runs before measureroot, so the log is wrong"),
            (Self::Extensions, false) => (
                "but behind,",
                "remove them from the boot partition, predict with --before, or measure into another PCR than 13",
            ),
        };
        format!("{name} was measured, {place} {} ({remedy})", self.name())
    }
}
