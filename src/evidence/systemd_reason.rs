//! Why a verdict is against a machine whose PCR has what systemd measured beside the image.

use crate::eventlog::SystemdEvent;

impl SystemdEvent {
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
