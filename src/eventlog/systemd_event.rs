//! What systemd measures into the image's PCR beside the image.

use std::collections::BTreeSet;

use super::claim::{Claim, EventKind};
use super::event::Event;
use super::log::Log;
use crate::hash::bank::Bank;
use crate::measure::pcr::{Pcr, PcrIndex};

/// What systemd-pcrosseparator.service(8) extends PCRs 0-7, 9 and 12-14 with, from version 261 on. The unit has
/// `ConditionPathExists=/etc/initrd-release`: it runs in an initramfs with systemd, and is skipped in the booted system.
const SEPARATOR: &[u8] = b"os-separator";

/// How systemd-stub calls the extension images beside the kernel, which it measures into PCR 13 (systemd, src/boot/stub.c,
/// `generate_sidecar_initrds`). Their digest is that of an archive, so the name is the log's claim.
const EXTENSIONS: [&str; 2] = ["EV_IPL: System extension initrd", "EV_IPL: Global system extension initrd"];

/// The kinds of such events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SystemdEvent {
    /// The separator, in each bank that counts.
    Separator,
    /// Extension images, if the log is right.
    Extensions,
}

impl SystemdEvent {
    /// What the event is, judged by the digests in `banks`.
    pub(crate) fn of(event: &Event, banks: &[Bank]) -> Option<Self> {
        let is_separator = |bank: &Bank| event.digests.get(bank) == Some(&bank.digest(SEPARATOR));
        if !banks.is_empty() && banks.iter().all(is_separator) {
            return Some(Self::Separator);
        }
        EXTENSIONS.contains(&event.describe_in(banks).as_str()).then_some(Self::Extensions)
    }

    /// The words for it in a list of events.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Separator => "the os-separator of systemd-pcrosseparator.service",
            Self::Extensions => "by the log, the extension images that systemd-stub found beside the kernel",
        }
    }
}

/// The most events that a note names: a hostile log may have thousands.
const MOST: usize = 4;

impl Log {
    /// Names what systemd measured into the PCR of an image: into the PCRs that have one by this log, and else into the default one,
    /// because the firmware's log has no event of ours.
    pub(super) fn systemd_note(&self) -> Option<String> {
        let is_image = |event: &&Event| {
            Claim::of(event).is_some_and(|claim| matches!(claim.event, EventKind::Image | EventKind::Roothash))
        };
        let mut pcrs: BTreeSet<_> = self.events().iter().filter(is_image).filter_map(Event::extends).collect();
        if pcrs.is_empty() {
            pcrs.insert(Pcr::from(PcrIndex::DEFAULT));
        }
        let name = |(place, event): (usize, &Event)| {
            let (pcr, found) = (event.extends()?, SystemdEvent::of(event, &event.banks())?);
            pcrs.contains(&pcr).then(|| format!("PCR {pcr} has {} (event {})", found.name(), place + 1))
        };
        let mut found: Vec<_> = self.events().iter().enumerate().filter_map(name).take(MOST).collect();
        found.push("so its value is not that of the image alone".to_owned());
        (found.len() > 1).then(|| found.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventlog::EventType;
    use crate::eventlog::tcg::log_of;

    const IPL: EventType = EventType(0xD);

    #[test]
    fn what_systemd_measures_into_the_pcr_of_an_image_is_noted() {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect() };
        let (local, global) = (utf16("System extension initrd"), utf16("Global system extension initrd"));
        let image = Claim::image("/dev/vda", 1, "ram").tagged().unwrap();
        let note = |events: &[(u32, EventType, &[u8])]| log_of(&[Bank::Sha256], events).notes().join("\n");
        let extensions = "by the log, the extension images that systemd-stub found beside the kernel";
        let separator = "the os-separator of systemd-pcrosseparator.service";
        let end = "so its value is not that of the image alone";
        // The firmware's log, and one of systemd.
        assert_eq!(note(&[(4, IPL, b"x"), (13, IPL, &local)]), format!("PCR 13 has {extensions} (event 2); {end}"));
        assert_eq!(note(&[(13, IPL, b"os-separator")]), format!("PCR 13 has {separator} (event 1); {end}"));
        // Both, and an image.
        let both = [(13, IPL, &global[..]), (13, IPL, b"os-separator"), (13, EventType::EVENT_TAG, &image)];
        assert_eq!(note(&both), format!("PCR 13 has {extensions} (event 1); PCR 13 has {separator} (event 2); {end}"));
        // The image is in another PCR, which systemd leaves alone, or not.
        let other = |pcr| [(13, IPL, &local[..]), (14, IPL, b"os-separator"), (pcr, EventType::EVENT_TAG, &image)];
        assert_eq!(note(&other(8)), "");
        assert_eq!(note(&other(14)), format!("PCR 14 has {separator} (event 2); {end}"));
        // Nothing of systemd; what it says about other PCRs.
        assert_eq!(
            note(&[(13, IPL, b"x"), (12, IPL, &utf16("Configuration extension initrd")), (9, IPL, b"os-separator")]),
            ""
        );
        let many = vec![(13, IPL, &b"os-separator"[..]); 9];
        assert_eq!(note(&many).matches("PCR 13 has").count(), MOST);
    }
}
